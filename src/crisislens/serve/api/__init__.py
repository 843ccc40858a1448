"""What programs call: JSON in, JSON out, under `/v1`."""
