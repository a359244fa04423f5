"""Figures as people say them, for voices that do not read them by themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.speech_text.torture import ratio_of_twice
from trio_voice.speech_text.speakable import speakable
from trio_voice.speech_text.word_tables import WORDS


def said(text, language="en-US"):
    return speakable(text, language, spelled_out=True)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        # Times
        ("At 9:30 a.m. or 5 pm", "At nine thirty a.m. or five p.m."),
        ("9:05, 9:00, 14:30 and 14:00.", "nine oh five, nine o'clock, two thirty p.m. and two p.m."),
        ("We open 9-5, or 9:00–17:00.", "We open nine to five, or nine o'clock to five p.m."),
        # Prices
        (
            "It costs $3.50, or $1,000 for 20.",
            "It costs three dollars and fifty cents, or one thousand dollars for twenty.",
        ),
        ("$0.99, $1, £2.01, 5 €", "ninety-nine cents, one dollar, two pounds and one penny, five euros"),
        ("$1.5 million", "one point five million dollars"),
        # Dates
        ("Born Jan 1, 1980.", "Born January first, nineteen eighty."),
        ("On March 3rd and 2026-11-29", "On March third and November twenty-ninth, twenty twenty-six"),
        ("On 4/5/2026", "On April fifth, twenty twenty-six"),
        # Telephone numbers
        ("Call (555) 123-4567.", "Call five five five, one two three, four five six seven."),
        ("+1 555-123-4567", "plus one, five five five, one two three, four five six seven"),
        ("555-0100", "five five five, zero one zero zero"),
        # Numbers
        ("The 3rd and the 21st", "The third and the twenty-first"),
        (
            "3.14 and 1,234.8",
            "three point one four and one thousand two hundred thirty-four point eight",
        ),
        ("It is -5 here, 1999-2000", "It is minus five here, nineteen ninety-nine to two thousand"),
        ("1/2 a loaf, ¾ of it, 24/7", "one half a loaf, three quarters of it, twenty-four seven"),
        ("Order number 4711, zip 90210", "Order number four seven one one, zip nine zero two one zero"),
        ("Order #47112 in room B12", "Order number four seven one one two in room B twelve"),
        (
            "20°C, 5% off, 12 km/h, 1 lb, 3 × 4",
            "twenty degrees Celsius, five percent off, twelve kilometers per hour, one pound, three times four",
        ),
        ("007", "zero zero seven"),
        # Abbreviations
        (
            "Dr. Lee, 5 Elm Ave., approx. No. 5, etc.",
            "Doctor Lee, five Elm Avenue, approximately number five, et cetera.",
        ),
        ("No. Really.", "No. Really."),
        # Along with markup
        ("**1.** Bread: `$2`\n", "one. Bread: two dollars."),
    ],
)
def test_english(written, spoken):
    assert said(written) == spoken


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("en-GB", "On 4/5/2026", "On May fourth, twenty twenty-six"),
        ("de-DE", "Am 3. Mai um 9:30 Uhr, z.B. für 3,50 €.", "Am dritten Mai um neun Uhr dreißig, zum Beispiel für drei Euro fünfzig."),  # noqa: E501 - one case a line
        ("de-DE", "Der 29.11.2026, 5 % und 1.000,5", "Der neunundzwanzigste November zweitausendsechsundzwanzig, fünf Prozent und eintausend Komma fünf"),  # noqa: E501 - one case a line
        ("de", "1 € und 1 kg um 13.00 Uhr im 3. Stock", "ein Euro und ein Kilogramm um dreizehn Uhr im dritten Stock"),
        ("de-CH", "1'000.50", "eintausend Komma fünfzig"),
        ("fr", "À 9h30 ou 21:00, le 1er mai.", "À neuf heures trente ou vingt et une heures, le premier mai."),
        ("fr", "M. Dupont, 01 23 45 67 89, 3,50 €", "Monsieur Dupont, zéro un, vingt-trois, quarante-cinq, soixante-sept, quatre-vingt-neuf, trois euros cinquante"),  # noqa: E501 - one case a line
        ("es", "El 3 de mayo a las 9:30, 21 €", "El tres de mayo a las nueve y treinta, veintiún euros"),
        ("es-MX", "El Sr. Ruiz paga $1,000.50", "El señor Ruiz paga mil pesos con cincuenta"),
        ("it", "Il 1 maggio alle 9:30 costa 3,50 €", "Il primo maggio alle nove e trenta costa tre euro e cinquanta"),
        ("pt-BR", "Dia 3 de maio às 9:30, R$ 5,50", "Dia três de maio às nove e trinta, cinco reais e cinquenta"),
        ("nl", "Op 3 mei om 9:30 uur, bijv. € 3,50", "Op drie mei om negen uur dertig, bijvoorbeeld drie euro vijftig"),
        ("ja", "5時に", "5時に"),
    ],
)  # fmt: skip
def test_other_languages(language, written, spoken):
    assert said(written, language) == spoken


def test_a_voice_that_reads_figures_is_given_them():
    assert speakable("At 9:30 a.m. for $5, Dr. Lee.") == "At 9:30 a.m. for $5, Dr. Lee."


@given(st.text("0123456789 .,:/-$%()+'hmkgap°€", max_size=40), st.sampled_from(sorted(WORDS)))
def test_no_figure_is_left_and_nothing_fails(text, language):
    assert not any(letter.isdigit() for letter in said(text, language))


@pytest.mark.parametrize(
    "piece",
    ["1", "1 ", "1,", "1.", "1:", "12:30 ", "1/2", "1-", "$1", "1,000,", "(555) ", "Dr. ", "Jan 1, ", "A1", "½", "1°"],
)
@pytest.mark.parametrize("language", ["en", "de"])
def test_the_time_is_linear_in_the_text(piece, language):
    assert ratio_of_twice(lambda times: said(piece * times, language), 2_000) < 3


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("en-US", "2½ miles, 1 3/4 cups", "two and a half miles, one and three quarters cups"),
        ("en-US", "$5M, $12K, €5.99/mo.", ("five million dollars, twelve thousand dollars, five euros and ninety-nine "
         "cents per month.")),
        ("en-US", "He is 5'10\", pp. 3-4, Jones Jr.", "He is five foot ten, pages three to four, Jones Junior."),
        ("en-US", "On 12-24-2026.", "On December twenty-fourth, twenty twenty-six."),
        ("de", "1/2 Liter, 2½ Stunden", "ein halber Liter, zweieinhalb Stunden"),
        ("de", "Hauptstr. 5, 0171/1234567", ("Hauptstraße fünf, null eins sieben eins, eins zwei drei vier fünf sechs "
         "sieben")),
        ("de", "5,- € pro Stück, 13 h", "fünf Euro pro Stück, dreizehn Stunden"),
        ("fr", "18 h, 1h, 2½ litres", "dix-huit heures, une heure, deux et demi litres"),
        ("es", "el 3er piso, 3/4 litro, 13 h", "el tercer piso, tres cuartos litro, trece horas"),
        ("it", "1/2 litro, 24-12-2026", "mezzo litro, ventiquattro dicembre duemilaventisei"),
        ("pt-BR", "às 13h, à 1h, 1º de maio, 1/2 litro", "às treze horas, à uma hora, primeiro de maio, meio litro"),
        ("nl", "€ 5,- en 24-12-2026", "vijf euro en vierentwintig december tweeduizendzesentwintig"),
        ("nl", "Dhr. Jansen, 06-12345678, 2½ uur", ("De heer Jansen, nul zes, één twee drie vier vijf zes zeven acht, "
         "twee en een half uur")),
        ("en-US", "1000000 people, 50p, 5 L", "one million people, fifty pence, five liters"),
        ("en-US", "Call 911, dial 112 or call 100 people.", ("Call nine one one, dial one one two or call one hundred "
         "people.")),
        ("en-US", "7/8 of an inch, 3 5/8 cups, 9/11", ("seven eighths of an inch, three and five eighths cups, nine "
         "eleven")),
        ("en-US", "CA$5, ¥500, CHF 20, A$ 3.50", ("five Canadian dollars, five hundred yen, twenty Swiss francs, three "
         "Australian dollars and fifty cents")),
        ("en-US", "10 May 2023, the 5th of December", "May tenth, twenty twenty-three, December fifth"),
        ("en-US", "12 King Dr. Call Dr. King, 3x a day", ("twelve King Drive. Call Doctor King, three times a day")),
        ("en-US", "+44 (0)20 7946 0958, +15551234567", ("plus four four, two zero, seven nine four six, zero nine five "
         "eight, plus one five five five one two three four five six seven")),
        ("de", "1.000.000 €, 1 Stunde, 1 Std., 1 Tag", "eine Million Euro, eine Stunde, eine Stunde, ein Tag"),
        ("de", "den 3. und 4. Juli, der 5. und 6. Mai", ("den dritten und vierten Juli, der fünfte und sechste Mai")),
        ("de", "Am 24. nicht, 1½, +49 171 1234567", ("Am vierundzwanzigsten nicht, eineinhalb, plus vier neun, eins "
         "sieben eins, eins zwei drei vier fünf sechs sieben")),
        ("de", "Mo.–Fr. von 9 bis 17 Uhr, Hausnr. 5", ("Montag bis Freitag von neun bis siebzehn Uhr, Hausnummer "
         "fünf")),
        ("fr", "1 000 000 €, 1 heure, 21 heures, 0h30", ("un million d'euros, une heure, vingt et une heures, zéro "
         "heure trente")),
        ("fr", "+33 1 23 45 67 89, 5 millions d'€", ("plus trois trois, un, deux trois, quatre cinq, six sept, huit "
         "neuf, cinq millions d'euros")),
        ("es", "1.000.000 €, 1 hora, 21 casas, 21 días", ("un millón de euros, una hora, veintiuna casas, veintiún "
         "días")),
        ("es", "9-17 h, 3x al día, 1 de ellos", "nueve a diecisiete horas, tres veces al día, uno de ellos"),
        ("it", "1.000.000 €, 1 ora, 1 giorno, n. 5", "un milione di euro, un'ora, un giorno, numero cinque"),
        ("pt-BR", "R$ 1.000.000, 2 horas, 22 casas, 2 dias", ("um milhão de reais, duas horas, vinte e duas casas, "
         "dois dias")),
        ("pt-BR", "R$ 2 mil, ligue para o 190", "dois mil reais, ligue para o um nove zero"),
        ("nl", "€ 1.000.000, +31 6 1234 5678", ("een miljoen euro, plus drie één, zes, één twee drie vier, vijf zes "
         "zeven acht")),
        ("nl", "bel 112 a.u.b., Lodewijk XIV", "bel één één twee alstublieft, Lodewijk de veertiende"),
    ],
)  # fmt: skip
def test_figures_of_which_each_language_has_its_own(language, written, spoken):
    assert said(written, language) == spoken


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        # Sums are told from sides, ranges and dates by what stands behind them
        ("en", "3 x 4 = 12, 10 / 2 = 5", "three times four equals twelve, ten divided by two equals five"),
        ("en", "5 - 3 = 2 and 12 ÷ 4 = 3", "five minus three equals two and twelve divided by four equals three"),
        ("en", "3 x 4 m, 5 - 3", "three by four meters, five to three"),
        ("fr", "3 x 4 = 12", "trois fois quatre égale douze"),
        ("nl", "3 x 4 = 12", "drie keer vier is twaalf"),
        # Codes in groups
        (
            "de",
            "IBAN DE89 3704 0044 0532 0130 00.",
            (
                "IBAN D E acht neun, drei sieben null vier, null null vier vier, null fünf drei zwei, "
                "null eins drei null, null null."
            ),
        ),
        (
            "en",
            "IBAN GB33BUKB20201555555555.",
            ("IBAN G B three three, B U K B, two zero two zero, one five five five, five five five five, five five."),
        ),
        ("en", "Sort code 12-34-56", "Sort code one two, three four, five six"),
        # Money
        (
            "en",
            "$5-10, $.50, -$5, $-5",
            ("five to ten dollars, fifty cents, minus five dollars, minus five dollars"),
        ),
        ("en", "₩1000, 50 zł", "one thousand won, fifty zloty"),
        ("de", "-5 €, CHF 5.50, Fr. 5.-", "minus fünf Euro, fünf Franken fünfzig, fünf Franken"),
        ("fr", "5€50", "cinq euros cinquante"),
        # Ordinals
        ("de", "1. Stock", "erster Stock"),
        ("de", "2. Etage, 3. Haus", "zweite Etage, drittes Haus"),
        ("de", "Ihr 3. Termin in der 2. Etage", "Ihr dritter Termin in der zweiten Etage"),
        ("de", "1. Brot", "eins, Brot"),
        ("fr", "la 1re fois, le 1er prix", "la première fois, le premier prix"),
        # Agreement
        ("it", "Aspetti 1 ora, 1 altra, 1 iena.", "Aspetti un'ora, un'altra, una iena."),
        ("es", "200 personas, 500 horas, 200 días", "doscientas personas, quinientas horas, doscientos días"),
        ("pt", "200 pessoas e 300 dias", "duzentas pessoas e trezentos dias"),
        # Days
        ("en", "Mon, Nov 30 or 11/30", "Monday, November thirtieth or November thirtieth"),
        ("en", "9/11, 24/7, 7/8", "nine eleven, twenty-four seven, seven eight"),
        ("en", "from 00:00 to 24:00", "from midnight to midnight"),
        ("de", "am 30.11.26", "am dreißigsten November zweitausendsechsundzwanzig"),
        # Units and signs
        (
            "en",
            "20-25°C, +3%, 220V, 3 yrs",
            ("twenty to twenty-five degrees Celsius, plus three percent, two hundred twenty volts, three years"),
        ),
        ("en", "10k people, 4K, 4.5/5 stars", "ten thousand people, four K, four point five out of five stars"),
    ],
)
def test_figures_that_were_read_wrongly(language, written, spoken):
    assert said(written, language) == spoken
