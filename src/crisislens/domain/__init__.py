"""What the product talks about: posts, label spaces, assessments. No torch, no files, no models."""
