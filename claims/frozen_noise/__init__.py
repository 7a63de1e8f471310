"""Works on a finite number m of frozen noises per sample: double descent, benign and malign overfitting."""
