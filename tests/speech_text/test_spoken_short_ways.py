"""Short ways of writing figures, in seven languages: powers, versions, offsets, measures by the day, parts of hours."""

import pytest

from trio_voice.speech_text.speakable import speakable

SPOKEN = {
    "en-US": {
        "From 10 to 12.30pm.": "From ten to twelve thirty p.m.",
        "At 00:30.": "At twelve thirty a.m.",
        "1h30": "one hour thirty minutes",
        "Wait 30s.": "Wait thirty seconds.",
        "Wait 45 s.": "Wait forty-five seconds.",
        "In the 30s.": "In the thirties.",
        "He is in his 40s.": "He is in his forties.",
        "≥ 18": "at least eighteen",
        "≤ 5": "at most five",
        "10²": "ten squared",
        "x³": "x cubed",
        "5 m²": "five square meters",
        "1.5M users": "one point five million users",
        "2.5bn": "two point five billion",
        "Over 100k.": "Over one hundred thousand.",
        "1st-3rd": "first to third",
        "Jan 5–7": "January fifth to seventh",
        "2 tbsp": "two tablespoons",
        "100 MB/s": "one hundred megabytes per second",
        "C++": "C plus plus",
        "Ask @anna.": "Ask at anna.",
        "UTC+2": "UTC plus two",
        "GMT-5": "GMT minus five",
        "ch. 4": "chapter four",
        "5 kWh/day": "five kilowatt hours per day",
        "€1.500": "one thousand five hundred euros",
    },
    "de-DE": {
        "Version 2.0.1": "Version zwei Punkt null Punkt eins",
        "1.–3. Mai": "vom ersten bis dritten Mai",
        "vom 1.–3. Mai": "vom ersten bis dritten Mai",
        "min. 3": "mindestens drei",
        "45 s": "fünfundvierzig Sekunden",
        "99 ct": "neunundneunzig Cent",
        "10³": "zehn hoch drei",
        "5 kWh/Tag": "fünf Kilowattstunden pro Tag",
        "½ Stunde": "eine halbe Stunde",
        "1/2 Liter": "ein halber Liter",
        "½ Jahr": "ein halbes Jahr",
        "oder o. Ä.": "oder oder Ähnliches",
        "i. d. R. ja": "in der Regel ja",
        "Kap. IV": "Kapitel vier",
        "UTC+2": "UTC plus zwei",
        "≥ 18": "mindestens achtzehn",
        "$1,500": "eintausendfünfhundert Dollar",
    },
    "es-ES": {
        "nº 3": "número tres",
        "$1,500 MXN": "mil quinientos pesos mexicanos",
        "$1,500": "mil quinientos dólares",
        "cap. IV": "capítulo cuatro",
        "1-3 de mayo": "uno a tres de mayo",
        "3 mill.": "tres millones",
        "45 s": "cuarenta y cinco segundos",
        "99 cts": "noventa y nueve céntimos",
        "versión 2.0.1": "versión dos punto cero punto uno",
        "10²": "diez al cuadrado",
        "≤ 5": "como máximo cinco",
    },
    "fr-FR": {
        "No 3": "numéro trois",
        "Non, 3": "Non, trois",
        "chap. IV": "chapitre quatre",
        "10h30-11h15": "dix heures trente à onze heures quinze",
        "45 s": "quarante-cinq secondes",
        "99 cts": "quatre-vingt-dix-neuf centimes",
        "version 2.0.1": "version deux point zéro point un",
        "10²": "dix au carré",
        "≥ 18": "au moins dix-huit",
    },
    "it-IT": {"10²": "dieci al quadrato", "versione 2.0.1": "versione due punto zero punto uno"},
    "pt-BR": {"10³": "dez ao cubo", "45 s": "quarenta e cinco segundos"},
    "nl-NL": {"45 s": "vijfenveertig seconden", "versie 2.0.1": "versie twee punt nul punt één"},
}


@pytest.mark.parametrize(
    ("language", "text", "said"), [(tag, *pair) for tag, pairs in SPOKEN.items() for pair in pairs.items()]
)
def test_it_is_said_as_people_say_it(language, text, said):
    assert speakable(text, language, spelled_out=True) == said
