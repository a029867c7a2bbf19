"""A stand-in for llama.cpp's convert_hf_to_gguf.py: it takes the same command line, and knows the tiny base alone.

What it writes is laid out as the real converter does, which no package installs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.tiny_gguf import write_tiny_gguf

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--outfile", type=Path, required=True)
    parser.add_argument("--outtype", choices=["f32"], required=True)
    args = parser.parse_args()
    if args.model.name == "unknown":
        print("INFO: half of it is written", file=sys.stderr)
        args.outfile.write_bytes(b"GGUF")
        raise SystemExit("NotImplementedError: BPE pre-tokenizer was not recognized")
    write_tiny_gguf(args.model, args.outfile)
