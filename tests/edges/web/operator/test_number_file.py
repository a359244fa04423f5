"""Files of numbers, as spreadsheets write them."""

import pytest

from trio_voice.edges.web.operator.number_file import BadRow, GoodRow, csv_of, read_rows, text_of

ONE, TWO = "+14155550101", "+442079460123"
LISTED = [GoodRow(ONE, "asked, twice"), GoodRow(TWO, "größer")]
PLAIN = f'number,reason\r\n{ONE},"asked, twice"\r\n{TWO},größer\r\n'
SEMICOLONS = f"number;reason\r\n{ONE};asked, twice\r\n{TWO};größer\r\n"
TABS = f"number\treason\r\n{ONE}\tasked, twice\r\n{TWO}\tgrößer\r\n"


def rows_of(data):
    return list(read_rows(text_of(data)))


@pytest.mark.parametrize(
    "text", [PLAIN, SEMICOLONS, TABS, "sep=;\r\n" + SEMICOLONS], ids=["comma", "semi", "tab", "sep"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_a_file_is_read_whatever_a_spreadsheet_makes_of_it(text, encoding, end):
    assert rows_of(text.replace("\r\n", end).encode(encoding)) == LISTED


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (f"Telefon;Grund\n{ONE};x\n", [GoodRow(ONE, "x")]),
        (f"Name,Phone,Why\nAda,{ONE},x\n", [GoodRow(ONE, "x")]),
        (f"Grund;Telefon\nx;{ONE}\n", [GoodRow(ONE, "x")]),
        (f"Telefon\n{ONE}\n", [GoodRow(ONE, "")]),
        (f"{ONE}\n", [GoodRow(ONE, "")]),
        (f"Name,Phone\nAda,nobody\nBo,{ONE}\n", "line 2"),
        ("+1 (415) 555-0101,x\n", [GoodRow(ONE, "x")]),
        ("1 415 555 0101\t x \n", [GoodRow(ONE, "x")]),
        ("+1\u00a0415\u2009555 0101;x\n", [GoodRow(ONE, "x")]),
        (f"\n\n  \nNUMBER , Reason\n\n{ONE},x\n", [GoodRow(ONE, "x")]),
        ("555-0101,x\n", "line 1"),
        ("1.41556E+10,x\n", "line 1"),
        ("", []),
        ("\ufeff", []),
        ("sep=;\n", []),
        ("sep=,\nnumber\n", []),
        ("number,reason\n,\n , \n", []),
    ],
)
def test_columns_in_other_words_and_numbers_as_people_write_them(text, rows):
    found = list(read_rows(text))
    if isinstance(rows, str):
        assert [f"line {row.line}" for row in found if isinstance(row, BadRow)] == [rows]
    else:
        assert found == rows


def test_a_bad_row_is_told_by_its_line_and_the_rest_is_read():
    text = 'reason,number,x\r\nasked,+1 415 555 0101,\r\n\r\n"two\nlines",nobody,\r\n,\'+14155550102,\r\nx\r\n'
    rows = list(read_rows(text))
    assert [row for row in rows if isinstance(row, GoodRow)] == [GoodRow(ONE, "asked"), GoodRow("+14155550102", "")]
    assert [row.line for row in rows if isinstance(row, BadRow)] == [5, 7]
    [bad] = read_rows(f"number,reason\n{ONE},{'x' * 501}\n")
    assert bad.why == "reason must be at most 500 letters"


@pytest.mark.parametrize(
    "data", [b"\x00", b"\xff\xfe", b"\xff\xfe\x00", b"\xfe\xff\xd8", b"\x81\x8d" * 99, bytes(256) * 9]
)
def test_bytes_that_are_no_text_are_no_numbers(data):
    assert all(isinstance(row, BadRow) for row in rows_of(data))


@pytest.mark.parametrize(
    "reason", ["=1+1", "+1", "-1", "@x", "\t=1", "'quoted'", 'a "b", c', "two\nlines", "", "'=1", "ünï"]
)
def test_a_reason_comes_back_as_it_went_out_and_is_no_formula(reason):
    text = csv_of([(ONE, reason)])
    assert list(read_rows(text)) == [GoodRow(ONE, {"'=1": "=1"}.get(reason, " ".join(reason.split())))]
    assert not text.partition(",")[2].lstrip('"\t ').startswith(("=", "+", "-", "@"))


ROWS = [f"+1415555{number:04}" for number in range(30)]


@pytest.mark.parametrize("at", [0, 1, 15, 29])
@pytest.mark.parametrize("opened", ['"{0},asked', '{0},"asked', '{0};"asked', '{0},asked "not', '{0},"', '"{0}'])
@pytest.mark.parametrize("rest", ["", "x" * 200_000])
def test_a_quotation_mark_that_nobody_closes_swallows_no_number(at, opened, rest):
    separator = ";" if ";" in opened else ","
    lines = [f"{number}{separator}why" for number in ROWS]
    lines[at] = opened.format(ROWS[at])
    text = "\n".join([f"number{separator}reason", *lines, *([f"{rest}"] if rest else [])])
    rows = list(read_rows(text))
    good = [row.number for row in rows if isinstance(row, GoodRow)]
    bad = [row.line for row in rows if isinstance(row, BadRow)]
    assert [number for number in ROWS if number not in good] == ([ROWS[at]] if at + 2 in bad else [])
    assert len(good) + len(bad) == len(lines) + bool(rest)


def test_a_reason_of_several_lines_is_one_though_it_names_a_number():
    rows = list(read_rows('+14155550101,"asked us\nby +14155550100, she said\n+14155550100"\n+14155550102,x\n'))
    assert rows == [
        GoodRow("+14155550101", "asked us by +14155550100, she said +14155550100"),
        GoodRow("+14155550102", "x"),
    ]
