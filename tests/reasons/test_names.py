"""What people say for a title, and which titles are numbered one after the other."""

from __future__ import annotations

import pytest

from llmrec.reasons import Cited, Evidence, Item
from llmrec.reasons.claims import read
from llmrec.reasons.names import name_forms, names_of, short_name
from llmrec.reasons.numbered import follows

HEADSET = "Turtle Beach - Ear Force {} Amplified Stereo Gaming Headset - PS4, PS Vita, and Mobile Devices"


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Godfather, The (1972)", "The Godfather"),
        ("City of Lost Children, The (Cité des enfants perdus, La)", "The City of Lost Children"),
        ("Postino, Il", "Il Postino"),
        ("Seven (Se7en)", "Seven"),
        ("Midnight in the Garden of Good and Evil", "Midnight in the Garden of Good and Evil"),
        ("WHITE HANGING HEART T-LIGHT HOLDER", "White Hanging Heart T-Light Holder"),
        ("SET OF 6 LED LIGHTS", "Set of 6 LED Lights"),
        ("POSTAGE", "Postage"),
        ("MASH", "MASH"),
        ("LUNCH BAG  BLACK SKULL.", "Lunch Bag Black Skull"),
        ("SUPER SMASH BROS.", "Super Smash Bros."),
        ("PAPER CHAIN KIT 50'S CHRISTMAS", "Paper Chain Kit 50's Christmas"),
        ("Logitech G502 HERO Gaming Mouse, HERO 25K Sensor, 25,600 DPI, RGB", "Logitech G502 HERO Gaming Mouse"),
        (
            "AmazonBasics Heavy-Duty Vault Case for Nintendo 3DS XL with Straps",
            "AmazonBasics Heavy-Duty Vault Case",
        ),
        ('"Great Performances" Cats', "'Great Performances' Cats"),
        ("(1984)", "(1984)"),
        ("", ""),
    ],
)
def test_short_names(title: str, name: str) -> None:
    assert short_name(title) == name


def test_titles_that_would_have_one_name_get_longer_ones() -> None:
    cited = (Cited("2", HEADSET.format("P12"), {}, 1.0), Cited("3", "Fargo", {}, 0.5))
    names = names_of(Evidence("u", Item("1", HEADSET.format("P11")), cited))
    assert len(set(names.values())) == 3
    assert names["3"] == "Fargo"
    assert "P11" in names["1"] and "P12" in names["2"]


def test_the_audit_knows_every_name() -> None:
    title = HEADSET.format("P12")
    one = Evidence("u", Item("1", title), ())
    assert all(read(f'"{name}" is here.', one, "en").mentioned == {0} for name in name_forms(title))


@pytest.mark.parametrize(
    ("title", "other", "does"),
    [
        ("Godfather: Part II, The", "Godfather, The", True),
        ("Terminator 2: Judgment Day", "Terminator, The", True),
        ("Star Trek III: The Search for Spock", "Star Trek II: The Wrath of Khan", True),
        ("Halo 3 - Xbox 360", "Halo 2 - Xbox", True),
        ("Alien 3", "Alien", False),
        ("Aliens", "Alien", False),
        ("Rocky", "Rocky II", False),
        ("Malcolm X", "Malcolm", False),
        ("SET OF 3 CAKE TINS", "SET OF 2 CAKE TINS", False),
        ("Fantasia 2000", "Fantasia", False),
        ("GRID - PlayStation 4", "GRID - PlayStation 3", False),
        ("Case for iPhone 6 (black)", "Case for iPhone 5 (black)", False),
        ("Card Age 6", "Card Age 5", False),
        ("Film 03: Crimson Garden", "Film 02: Broken Orchard", False),
    ],
)
def test_what_follows_in_a_series(title: str, other: str, does: bool) -> None:
    assert follows(title, other) is does
