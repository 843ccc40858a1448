"""Mathematics: modules, losses and the one record that enters them. Knows no post, file, tokenizer
or label name.
"""
