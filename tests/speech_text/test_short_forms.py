"""Short ways of writing are said in full by voices that do not read them, in each of the languages."""

import pytest

from tests.speech_text.torture import ratio_of_twice
from trio_voice.speech_text.speakable import speakable


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        # Days and hours
        ("en-US", "Mon–Fri 9am–5pm, Sat. 10–4", "Monday to Friday nine a.m. to five p.m., Saturday ten to four"),
        ("de", "Mo–Fr 9–17 Uhr", "Montag bis Freitag neun bis siebzehn Uhr"),
        ("de", "9.30 Uhr–10 Uhr", "neun Uhr dreißig bis zehn Uhr"),
        ("fr", "lun-ven 10h-12h", "lundi à vendredi dix heures à douze heures"),
        ("es", "lun-vie 9:00-17:00", "lunes a viernes nueve en punto a diecisiete en punto"),
        ("it", "lun-ven, ore 9.30", "lunedì a venerdì, ore nove e trenta"),
        ("pt-BR", "seg-sex 9h-17h", "segunda a sexta nove horas a dezessete horas"),
        ("nl", "ma-vr 9.30 u.", "maandag tot vrijdag negen uur dertig"),
        ("en-US", "2026-11-29T10:00:00Z", "November twenty-ninth, twenty twenty-six, ten o'clock"),
        ("en-US", "10:15:30", "ten fifteen, thirty"),
        # Prices
        ("en-US", "$5-$10, $2bn, £1m, 50¢", ("five dollars to ten dollars, two billion dollars, one million pounds, "
         "fifty cents")),
        ("de", "5€–10€, 3,5 Mio. €", "fünf Euro bis zehn Euro, drei Komma fünf Millionen Euro"),
        ("it", "5-10 €", "cinque a dieci euro"),
        ("es-MX", "$500", "quinientos pesos"),
        # Numbers
        ("en-US", "The 1990s, the '80s, the 2000s, the 1900s", ("The nineteen nineties, the eighties, the two "
         "thousands, the nineteen hundreds")),
        ("de", "die 90er, die 1980er", "die neunziger, die neunzehnhundertachtziger"),
        ("en-US", "10x12 ft, 3:1, v1.2, 2.10.3", ("ten by twelve feet, three to one, v one point two, "
         "two point ten point three")),
        ("de", "3x4 m, 16:9, 100 m²", "drei mal vier Meter, sechzehn zu neun, einhundert Quadratmeter"),
        ("en-US", "6ft 2in, 12 oz., 3 lbs.", "six foot two, twelve ounces, three pounds."),
        ("en-US", "Room 12B, a 10K run", "Room twelve B, a ten K run"),
        ("en-US", "1-800-FLOWERS, ext. 12", "one eight zero zero FLOWERS, extension twelve"),
        ("en-US", "the card ending in 4242", "the card ending in four two four two"),
        ("pt-BR", "CEP 01310-100", "CEP zero um três um zero, um zero zero"),
        ("es", "2.ª planta", "segunda planta"),
        ("it", "1° piano", "primo piano"),
        # Roman numerals
        ("en-US", "Henry VIII, Chapter IV, World War II", "Henry the eighth, Chapter four, World War two"),
        ("en-US", "Part I ends. I am in Step I now.", "Part I ends. I am in Step I now."),
        ("de", "Ludwig XIV. kam, Kapitel IV", "Ludwig der vierzehnte kam, Kapitel vier"),
        ("fr", "Louis XIV, XXIe siècle", "Louis quatorze, vingt et unième siècle"),
        ("es", "Felipe VI, siglo XXI", "Felipe sexto, siglo veintiuno"),
        ("nl", "Willem II", "Willem de tweede"),
        # Streets and saints
        ("en-US", "123 Main St. near St. Mary's", "one hundred twenty-three Main Street near Saint Mary's"),
    ],
)  # fmt: skip
def test_what_is_written_short_is_said_in_full(language, written, spoken):
    assert speakable(written, language, spelled_out=True) == spoken


@pytest.mark.parametrize(
    "text", ["I see.", "Vitamin C and D", "Mix it, XL or XXL", "a mar-dom b", "We sat in the sun."]
)
def test_what_only_looks_like_it_stays(text):
    assert speakable(text, "en-US", spelled_out=True) == text


@pytest.mark.parametrize("piece", ["X", "1990s ", "Mon-", "1x", "1.1", "12 A St ", "2026-11-29T", "Part I"])
@pytest.mark.parametrize("language", ["en", "de"])
def test_the_time_is_linear_in_the_text(piece, language):
    assert ratio_of_twice(lambda times: speakable(piece * times, language, spelled_out=True), 1_000) < 3
