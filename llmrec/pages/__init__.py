"""What the pages that llmrec writes have in common: one style, one frame, figures as SVG."""

from llmrec.pages.figures import INK, PALETTE, colours, plain_axis, short, svg, time_axis
from llmrec.pages.frame import environment

__all__ = ["INK", "PALETTE", "colours", "environment", "plain_axis", "short", "svg", "time_axis"]
