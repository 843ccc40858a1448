r"""The floor that every model must beat: TF-IDF of the text's words and character n-grams, logistic
regression, no photo.

For a text with term counts $n_t$ and document frequencies $d_t$ among $s$ training texts, in each
of the two vocabularies,

$$x_t = (1 + \log n_t)\Big(1 + \log \frac{1 + s}{1 + d_t}\Big), \qquad x \leftarrow x / \lVert x \rVert_2,
\qquad \ell = W x + b,$$

with $W, b$ of the least weighted cross-entropy plus $\lVert W \rVert^2 / 2C$; rare classes weigh
more (`balanced`). Salton and Buckley, 1988, in scikit-learn's form. Deterministic, so there are no
seeds. Temperature and threshold come from development posts, as for every model.
"""

import numpy as np
from jaxtyping import Float

from crisislens.data.labeled import LabeledData
from crisislens.data.text import CleaningRules, clean_text
from crisislens.evaluation.abstention import LIKELIER_RIGHT, threshold_for_risk
from crisislens.evaluation.calibration import fit_temperature, softmax
from crisislens.training.evaluate import Evaluation, evaluate_logits

__all__ = ["fit_floor"]


def fit_floor(
    data: LabeledData,
    *,
    rules: CleaningRules = CleaningRules(),
    inverse_penalty: float = 2.0,
    target_risk: float = 0.1,
    resamples: int = 1000,
) -> tuple[Evaluation, dict[str, Float[np.ndarray, "s c"]]]:
    """Fits the floor on the training posts and scores it on the test posts.

    Arguments:
        data: The labeled posts.
        rules: How text is cleaned.
        inverse_penalty: $C$, unitless.
        target_risk: Of abstention.
        resamples: Of the bootstrap.

    Returns:
        The evaluation, and the logits of development and test posts for paired tests.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    texts = {}
    for split, posts in data.splits.items():
        texts[split] = [clean_text(labeled.post.text, rules) for labeled in posts]
    model = make_pipeline(
        make_union(
            TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
            # letters beside words: crisis posts are full of hashtags and misspellings that no word
            # list has
            TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), min_df=2, sublinear_tf=True),
        ),
        LogisticRegression(C=inverse_penalty, class_weight="balanced", max_iter=2000),
    )
    # the solver is deterministic, so the floor has no seeds
    y = data.labels("train")
    model.fit(texts["train"], y)
    logits = {
        split: _logits(model.predict_log_proba(texts[split]), np.unique(y), len(data.space))
        for split in ("dev", "test")
    }
    temperature = fit_temperature(logits["dev"], data.labels("dev"))
    p = softmax(logits["dev"], temperature)
    right = p.argmax(1) == data.labels("dev")
    chosen = threshold_for_risk(p.max(1), right, target_risk, least=LIKELIER_RIGHT)
    return evaluate_logits(
        logits["test"], data, temperature=temperature, abstain_below=chosen.threshold, resamples=resamples
    ), logits


def _logits(known: Float[np.ndarray, "s k"], classes: np.ndarray, c: int) -> Float[np.ndarray, "s c"]:
    """Log-probabilities over all classes; one that the training posts lack is all but impossible."""
    # the classifier numbers only the classes that it saw
    logits = np.full((len(known), c), np.log(1e-12))
    logits[:, classes] = np.maximum(known, np.log(1e-12))
    return logits
