"""What people open: the situation report (one HTML file that needs no server and no network) and tables for
other programs.
"""
