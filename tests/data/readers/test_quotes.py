"""Quotes in CSV and TSV: no row is swallowed, no title garbled; what is ambiguous is refused by its row."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from llmrec.cli.app import run
from llmrec.data import Dataset
from llmrec.data.readers import quotes as quotes_module
from llmrec.data.readers.read import read_raw
from llmrec.data.readers.text_files import TextFile
from llmrec.errors import DataError

HEAD = ["user_id", "item_id", "title", "timestamp"]
ODD = ["plain tune", '"kites in june', '7" single', '"odd" brass band', "last tune"]


def lines(titles: list[str], delimiter: str, rows: int = 40) -> str:
    table = [
        [f"u{n % 5}", f"i{n % len(titles)}", titles[n % len(titles)], str(1_500_000_000 + n)] for n in range(rows)
    ]
    return "".join(delimiter.join(row) + "\n" for row in [HEAD, *table])


def read(path: Path, text: str, **options: str) -> list[str | None]:
    path.write_text(text, encoding="utf-8", newline="")
    return read_raw(path, **options)["title"].to_list()  # type: ignore[arg-type]


def test_quotes_in_a_tsv_are_characters(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="llmrec")
    assert read(tmp_path / "log.tsv", lines(ODD, "\t")) == [ODD[n % 5] for n in range(40)]
    assert "quotes are read as plain characters" in caplog.text


def test_a_pair_of_stray_quotes_in_a_tsv_swallows_no_row(tmp_path: Path) -> None:
    titles = ["one", '"two', "three", 'four"', "five"]
    assert read(tmp_path / "log.tsv", lines(titles, "\t")) == [titles[n % 5] for n in range(40)]


def test_a_tsv_that_a_program_quoted_is_read_by_its_quotes(tmp_path: Path) -> None:
    titles = ["tab\there", 'say "hi"', "two\nlines", "plain"]
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC):
        path = tmp_path / "log.tsv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter="\t", quoting=quoting)
            writer.writerows([["item_id", "title"], *[[n, title] for n, title in enumerate(titles)]])
        assert read_raw(path)["title"].to_list() == titles


def test_every_cell_quoted_in_a_tsv_without_need(tmp_path: Path) -> None:
    text = '"item_id"\t"title"\n"1"\t"one"\n"2"\t"two"\n'
    assert read(tmp_path / "log.tsv", text) == ["one", "two"]


REFUSED = {
    "a pair over rows": (["one", '"two', "three", 'four"', "five"], r"data row 2: a quote encloses 3 lines that"),
    "closes within": (
        ["one", '"odd" band', "three"],
        r"data row 2: the quote that opens at 'odd\" band,1\d+' does",
    ),
    "never closed": (["one", "two", "three", "four", '"five'], r"data row 5: .*'five,1\d+' does not close at"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_stray_quote_in_a_csv_is_named_by_its_row(tmp_path: Path, case: str) -> None:
    titles, message = REFUSED[case]
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path / "log.csv", lines(titles, ","))
    assert "--quotes plain" in str(caught.value)
    assert read(tmp_path / "log.csv", lines(titles, ","), quotes="plain")[:3] == (titles * 3)[:3]


def test_a_quote_within_a_cell_of_a_csv_is_a_character(tmp_path: Path) -> None:
    titles = ["one", '7" single', '"yes, ""here"""']
    assert read(tmp_path / "log.csv", lines(titles, ","))[:3] == ["one", '7" single', 'yes, "here"']


def test_line_breaks_within_cells_are_no_rows(tmp_path: Path) -> None:
    review = '"It works,\nand, as said, well,\r\nfor us"'
    titles = ["fine", review, '"a\n\nb"']
    assert read(tmp_path / "log.csv", lines(titles, ","))[:3] == ["fine", review.strip('"'), "a\n\nb"]


def test_several_lines_with_as_many_cells_are_text_where_they_look_like_no_row(tmp_path: Path) -> None:
    text = "id,title,price\n" + "".join(f"{n},thing {n},{n}\n" for n in range(9))
    assert read(tmp_path / "x.csv", text + '9,"well, I\nsaid so, and",5\n')[-1] == "well, I\nsaid so, and"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_backslashes_before_quotes(tmp_path: Path, delimiter: str) -> None:
    titles = ['The "Quiet" Harbour', 'ends with "it"', "back\\slash", f"with{delimiter}delimiter", "plain"]
    path = tmp_path / "books.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL, doublequote=False, escapechar="\\")
        writer.writerows([["item_id", "title"], *[[n, title] for n, title in enumerate(titles)]])
    assert read_raw(path)["title"].to_list() == titles


def test_a_backslash_at_the_end_of_a_cell_is_no_escape(tmp_path: Path) -> None:
    text = 'item_id,title\n1,"C:\\"\n2,"say ""no"""\n'
    assert read(tmp_path / "x.csv", text) == ["C:\\", 'say "no"']


def test_files_longer_than_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes_module, "BLOCK_BYTES", 200)
    monkeypatch.setattr(TextFile, "blocks", _small_blocks)
    titles = ["one", '"two, ""too"""', '"thr\nee"']
    assert read(tmp_path / "log.csv", lines(titles, ","))[:3] == ["one", 'two, "too"', "thr\nee"]
    with pytest.raises(DataError, match="data row 40: the quote that opens"):
        read(tmp_path / "log.csv", lines(titles, ",").removesuffix("\n").replace("u4,i0,one,1500000039", 'u4,"i0'))


def _small_blocks(file: TextFile) -> list[bytes]:
    content = file.read()
    return [content[start : start + 64] for start in range(0, len(content), 64)]


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.csv").write_text(lines(["one", '"two', "three", 'four"', "five"], ","))
    arguments = ["data", "prepare", str(tmp_path / "log.csv"), "--out", str(tmp_path / "out")]
    assert run(arguments) == 2
    assert not (tmp_path / "out").exists()
    assert capsys.readouterr().err.count("\n") == 1
    assert run([*arguments, "--quotes", "some"]) == 2
    assert run([*arguments, "--quotes", "plain"]) == 0
    assert Dataset.load(tmp_path / "out").events.height == 40


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_blanks_between_a_delimiter_and_a_quote_are_left_out(tmp_path: Path, delimiter: str) -> None:
    mark = f"{delimiter} "
    rows = (
        ['"item_id"', '"title"', '"note"'],
        ["1", '"one, or;""two"""', '"x"'],
        ["2", ' "two"', "y"],
        ["3", "three", "z"],
    )
    (tmp_path / "x.csv").write_text("".join(mark.join(row) + "\n" for row in rows), encoding="utf-8")
    table = read_raw(tmp_path / "x.csv")
    assert table.columns == ["item_id", "title", "note"]
    assert table["title"].str.strip_chars().to_list() == ['one, or;"two"', "two", "three"]
    assert read(tmp_path / "y.csv", 'item_id,title\n1, "a" b\n2,c\n') == [' "a" b', "c"]  # quotes in plain text
    assert read(tmp_path / "z.csv", 'item_id,title\n1, "a"\n2,c\n') == [' "a"', "c"]  # as csv reads it
