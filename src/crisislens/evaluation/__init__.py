"""Truth about models: metrics from scikit-learn, calibration, abstention, intervals and paired
tests. Numpy in, plain values out.
"""
