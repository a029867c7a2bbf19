"""Encoders of histories as ONNX files, for programs without PyTorch."""
