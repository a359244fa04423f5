"""Figures as each country writes them, for voices that do not read them by themselves."""

import pytest

from tests.speech_text.torture import ratio_of_twice
from trio_voice.speech_text.speakable import speakable


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        # Days
        ("en-US", "1/4/26, Jan-Mar", "January fourth, twenty twenty-six, January to March"),
        ("de", "5. Dezember", "fünfter Dezember"),
        ("de", "Mo, 7.12. und 30. Nov.", "Montag, siebter Dezember und dreißigster November."),
        ("de", "vom 1.-3. Mai, Jan.-März", "vom ersten bis dritten Mai, Januar bis März"),
        ("fr", "lun. 7 déc. à 9h, le 30/11", "lundi sept décembre à neuf heures, le trente novembre"),
        ("es", "el 7 dic. y el 30/11", "el siete de diciembre y el treinta de noviembre"),
        ("it", "il 30 nov 2026, il 30/11", "il trenta novembre duemilaventisei, il trenta novembre"),
        ("pt-BR", "seg. 7 dez.", "segunda sete de dezembro."),
        ("nl", "ma 7 dec. of 30-11", "maandag zeven december of dertig november"),
        ("nl", "24/7, 5-3, mrt. 3", "vierentwintig zeven, vijf tot drie, mrt. drie"),
        # Days of the week
        ("fr", "du lun. au ven. 9h-18h", "du lundi au vendredi neuf heures à dix-huit heures"),
        ("pt-BR", "seg. a sex.", "segunda a sexta"),
        ("nl", "ma t/m vr 9.00-17.00", "maandag tot en met vrijdag negen uur tot zeventien uur"),
        # Lengths of time
        ("en-US", "1h30m, 45s, the 30s", "one hour thirty minutes, forty-five seconds, the thirties"),
        ("en-US", "two 6s", "two six s"),
        ("fr", "un écran 16/9", "un écran seize neuf"),
        ("es", "2 h 15 min, 1,5 h", "dos horas quince minutos, uno coma cinco horas"),
        ("it", "2 h 15 min, all'1:30", "due ore quindici minuti, all'una e trenta"),
        ("de", "3/4 Std., ½ h", "drei Viertel Stunde, ein halb Stunde"),
        # Prices
        ("nl", "€ 10-15, € 2,5 mln", "tien tot vijftien euro, twee komma vijf miljoen euro"),
        ("nl", "€ 5/mnd", "vijf euro per maand"),
        ("pt-BR", "R$ 10-15, R$ 2,5 mi", "dez a quinze reais, dois vírgula cinco milhões de reais"),
        ("fr", "2,5 M€", "deux virgule cinq millions d'euros"),
        ("it", "2,5 mln €", "due virgola cinque milioni di euro"),
        ("en-US", "€1.50/kg, $5 per hr.", "one euro and fifty cents per kilogram, five dollars per hour"),
        ("es", "1,234.50 €", "mil doscientos treinta y cuatro euros con cincuenta"),
        ("en-US", "1.234,50 €", "one thousand two hundred thirty-four euros and fifty cents"),
        # Ordinals and numerals
        ("en-US", "the 1,000,000th, 1/3rd", "the one millionth, one third"),
        ("de", "1. Preis, der II. Weltkrieg", "erster Preis, der zweite Weltkrieg"),
        ("fr", "la 2nde, François Ier", "la deuxième, François premier"),
        ("es", "Juan Carlos I, s. XX", "Juan Carlos primero, siglo veinte"),
        ("it", "Giovanni Paolo II, sec. XX", "Giovanni Paolo secondo, secolo venti"),
        ("pt", "Luís XIV, séc. XX", "Luís catorze, século vinte"),
        # Numbers of things
        ("en-US", "№ 5, confirmation # XJ7", "number five, confirmation number XJ seven"),
        ("fr", "N°7, p. 12", "numéro sept, page douze"),
        ("it", "n° 7", "numero sette"),
        ("pt", "12.345.678/0001-90", "um dois, três quatro cinco, seis sete oito, zero zero zero um, nove zero"),
        ("de", "0800/123 45 67", "null acht null null, eins zwei drei, vier fünf, sechs sieben"),
        ("en-US", "Dial 9-1-1.", "Dial nine one one."),
        # Units
        ("en-US", "12\" pizza, 5/8\", 5'10\"", 'twelve" pizza, five eighths", five foot ten'),
        ("en-US", 'a 12" pizza', "a twelve inch pizza"),
        ("en-US", 'It is 5/8".', "It is five eighths inches."),
        ("en-US", 'say "5" now', 'say "five" now'),
        ("en-US", "10mL, 10 sq. ft. and 5 m3", "ten milliliters, ten square feet and five cubic meters"),
        ("en-US", "1080p, 50p", "one thousand eighty P, fifty pence"),
        ("fr", "25 cl, 24h/24", "vingt-cinq centilitres, vingt-quatre heures sur vingt-quatre"),
        ("fr", "7j/7", "sept jours sur sept"),
        ("pt", "500 g", "quinhentos gramas"),
        # Signs
        ("en-US", ">10, .5 and –5", "greater than ten, zero point five and minus five"),
        ("en-US", "> 10 people", "ten people"),
        # Abbreviations
        ("de", "max. 3, i.d.R. S. 12, kein S. mehr", "maximal drei, in der Regel Seite zwölf, kein S. mehr"),
        ("fr", "300 av. J.-C., av. Foch", "trois cents avant Jésus-Christ, avenue Foch"),
        ("it", "p. es. una alla volta, una o due", "per esempio una alla volta, una o due"),
        ("nl", "Hoofdstr. 12, a.s. maandag", "Hoofdstraat twaalf, aanstaande maandag"),
    ],
)  # fmt: skip
def test_what_each_country_writes(language, written, spoken):
    assert speakable(written, language, spelled_out=True) == spoken


@pytest.mark.parametrize("piece", ["7 dic. ", "1h30", '5" ', "lun. a ", "Jan-", "1,234.", "24h/"])
@pytest.mark.parametrize("language", ["en", "es", "fr"])
def test_the_time_is_linear_in_the_text(piece, language):
    assert ratio_of_twice(lambda times: speakable(piece * times, language, spelled_out=True), 2_000) < 3
