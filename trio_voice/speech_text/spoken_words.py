"""Words of spoken forms in each language: units, currencies, months, abbreviations, and how figures are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs


@attrs.frozen(kw_only=True)
class Currency:
    """A currency and the words for its amounts."""

    one: str
    many: str
    cent: str
    cents: str


@attrs.frozen(kw_only=True)
class SpokenWords:
    """One language's. Abbreviations are written with the dots that they have, and matched in that case."""

    decimal: str
    """Between whole and part, as it is written; the other of comma and dot stands between thousands."""
    point: str
    """The same, as it is said."""
    minus: str
    percent: str
    times: str
    plus: str
    to: str
    """Between the ends of a range."""
    between_coins: str
    """Between whole amount and small change."""
    names_cents: bool
    """True if small change is called by its name behind a whole amount."""
    hour: str
    """Between hours and minutes; ``{h}`` and ``{m}``."""
    full_hour: str
    hour_words: tuple[str, ...] = ()
    """Written behind a time and part of how it is said, so not to be said twice."""
    codes: tuple[str, ...]
    """Words before figures that are said one by one."""
    months: tuple[str, ...]
    date: str
    """``{day}``, ``{month}``, ``{year}``."""
    date_without_year: str
    currencies: Mapping[str, Currency]
    units: Mapping[str, tuple[str, str]]
    """By their sign: for one, and for more."""
    abbreviations: Mapping[str, str]


def _units(text: str) -> dict[str, tuple[str, str]]:
    units = {}
    for unit in text.split(","):
        sign, one, many = unit.strip().split("/") if unit.count("/") == 2 else unit.strip().split("|")
        units[sign] = (one, many)
    return units


def _pairs(text: str) -> dict[str, str]:
    return {short.strip(): whole.strip() for short, whole in (pair.split("=") for pair in text.split(","))}


def _months(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _currencies(dollar: str, euro: str, pound: str) -> dict[str, Currency]:
    made: dict[str, Currency] = {}
    for signs, words in ((("$", "USD"), dollar), (("€", "EUR"), euro), (("£", "GBP"), pound)):
        one, many, cent, cents = words.split("/")
        made |= dict.fromkeys(signs, Currency(one=one, many=many, cent=cent, cents=cents))
    return made


WORDS: Final[Mapping[str, SpokenWords]] = {
    "en": SpokenWords(
        decimal=".",
        point="point",
        minus="minus",
        percent="percent",
        times="times",
        plus="plus",
        to="to",
        between_coins=" and ",
        names_cents=True,
        hour="{h} {m}",
        full_hour="{h} o'clock",
        hour_words=("o'clock",),
        codes=("number", "order", "code", "pin", "zip", "account", "reference", "confirmation", "ticket", "extension"),
        months=_months("January February March April May June July August September October November December"),
        date="{month} {day}, {year}",
        date_without_year="{month} {day}",
        currencies=_currencies("dollar/dollars/cent/cents", "euro/euros/cent/cents", "pound/pounds/penny/pence"),
        units=_units(
            "km/h|kilometer per hour|kilometers per hour, mph/mile per hour/miles per hour, km/kilometer/kilometers, "
            "cm/centimeter/centimeters, mm/millimeter/millimeters, m/meter/meters, kg/kilogram/kilograms, g/gram/grams,"
            " mg/milligram/milligrams, ml/milliliter/milliliters, l/liter/liters, lb/pound/pounds, lbs/pound/pounds, "
            "oz/ounce/ounces, ft/foot/feet, mi/mile/miles, °C/degree Celsius/degrees Celsius, "
            "°F/degree Fahrenheit/degrees Fahrenheit, °/degree/degrees, kWh/kilowatt hour/kilowatt hours, "
            "MB/megabyte/megabytes, GB/gigabyte/gigabytes, TB/terabyte/terabytes, min/minute/minutes, "
            "hrs/hour/hours, hr/hour/hours, h/hour/hours, sec/second/seconds"
        ),
        abbreviations=_pairs(
            "Dr.=Doctor, Mr.=Mister, Mrs.=Missus, Ms.=Miss, Prof.=Professor, Ave.=Avenue, Rd.=Road, Blvd.=Boulevard, "
            "approx.=approximately, e.g.=for example, i.e.=that is, etc.=et cetera, vs.=versus, dept.=department, "
            "Dept.=Department, Inc.=Incorporated, Ltd.=Limited, Apt.=Apartment, Jan.=January, Feb.=February, "
            "Mar.=March, Apr.=April, Aug.=August, Sept.=September, Sep.=September, Oct.=October, Nov.=November, "
            "Dec.=December, "
            "Mon.=Monday, Tue.=Tuesday, Wed.=Wednesday, Thu.=Thursday, Fri.=Friday, Sat.=Saturday, Sun.=Sunday, "
            "No.=number, no.=number, w/=with, Jr.=Junior, Sr.=Senior, pp.=pages"
        ),
    ),
    "de": SpokenWords(
        decimal=",",
        point="Komma",
        minus="minus",
        percent="Prozent",
        times="mal",
        plus="plus",
        to="bis",
        between_coins=" ",
        names_cents=False,
        hour="{h} Uhr {m}",
        full_hour="{h} Uhr",
        hour_words=("Uhr",),
        codes=("nummer", "code", "bestellnummer", "kundennummer", "postleitzahl", "pin", "plz", "konto"),
        months=_months("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
        date="{day} {month} {year}",
        date_without_year="{day} {month}",
        currencies=_currencies("Dollar/Dollar/Cent/Cent", "Euro/Euro/Cent/Cent", "Pfund/Pfund/Penny/Pence"),
        units=_units(
            "km/h|Kilometer pro Stunde|Kilometer pro Stunde, km/Kilometer/Kilometer, cm/Zentimeter/Zentimeter, "
            "mm/Millimeter/Millimeter, m/Meter/Meter, kg/Kilogramm/Kilogramm, g/Gramm/Gramm, mg/Milligramm/Milligramm, "
            "ml/Milliliter/Milliliter, l/Liter/Liter, °C/Grad/Grad, °/Grad/Grad, kWh/Kilowattstunde/Kilowattstunden, "
            "MB/Megabyte/Megabyte, GB/Gigabyte/Gigabyte, min/Minute/Minuten, Min./Minute/Minuten, Std./Stunde/Stunden, "
            "h/Stunde/Stunden"
        ),
        abbreviations=_pairs(
            "z.B.=zum Beispiel, z. B.=zum Beispiel, d.h.=das heißt, d. h.=das heißt, usw.=und so weiter, ca.=circa, "
            "bzw.=beziehungsweise, Nr.=Nummer, Hr.=Herr, Fr.=Frau, Dr.=Doktor, Prof.=Professor, Str.=Straße, "
            "evtl.=eventuell, ggf.=gegebenenfalls, inkl.=inklusive, zzgl.=zuzüglich, u.a.=unter anderem, "
            "etc.=et cetera, Tel.=Telefon, Mo.=Montag, Di.=Dienstag, Mi.=Mittwoch, Do.=Donnerstag, Sa.=Samstag, "
            "So.=Sonntag"
        ),
    ),
    "fr": SpokenWords(
        decimal=",",
        point="virgule",
        minus="moins",
        percent="pour cent",
        times="fois",
        plus="plus",
        to="à",
        between_coins=" ",
        names_cents=False,
        hour="{h} heures {m}",
        full_hour="{h} heures",
        hour_words=("heures", "heure"),
        codes=("numéro", "code", "commande", "référence", "compte"),
        months=_months("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
        date="{day} {month} {year}",
        date_without_year="{day} {month}",
        currencies=_currencies("dollar/dollars/cent/cents", "euro/euros/centime/centimes", "livre/livres/penny/pence"),
        units=_units(
            "km/h|kilomètre à l'heure|kilomètres à l'heure, km/kilomètre/kilomètres, cm/centimètre/centimètres, "
            "mm/millimètre/millimètres, m/mètre/mètres, kg/kilo/kilos, g/gramme/grammes, mg/milligramme/milligrammes, "
            "ml/millilitre/millilitres, l/litre/litres, °C/degré/degrés, °/degré/degrés, min/minute/minutes, "
            "Go/gigaoctet/gigaoctets, Mo/mégaoctet/mégaoctets"
        ),
        abbreviations=_pairs(
            "M.=Monsieur, Mme.=Madame, Mme=Madame, Mlle=Mademoiselle, Dr.=Docteur, Dr=Docteur, Pr.=Professeur, "
            "etc.=et cetera, p. ex.=par exemple, p.ex.=par exemple, n°=numéro, N°=numéro, av.=avenue, bd.=boulevard, "
            "env.=environ, tél.=téléphone"
        ),
    ),
    "es": SpokenWords(
        decimal=",",
        point="coma",
        minus="menos",
        percent="por ciento",
        times="por",
        plus="más",
        to="a",
        between_coins=" con ",
        names_cents=False,
        hour="{h} y {m}",
        full_hour="{h} en punto",
        hour_words=("en punto", "horas", "h"),
        codes=("número", "código", "pedido", "referencia", "cuenta"),
        months=_months("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
        date="{day} de {month} de {year}",
        date_without_year="{day} de {month}",
        currencies=_currencies(
            "dólar/dólares/centavo/centavos", "euro/euros/céntimo/céntimos", "libra/libras/penique/peniques"
        ),
        units=_units(
            "km/h|kilómetro por hora|kilómetros por hora, km/kilómetro/kilómetros, cm/centímetro/centímetros, "
            "mm/milímetro/milímetros, m/metro/metros, kg/kilo/kilos, g/gramo/gramos, ml/mililitro/mililitros, "
            "l/litro/litros, °C/grado/grados, °/grado/grados, min/minuto/minutos"
        ),
        abbreviations=_pairs(
            "Sr.=señor, Sra.=señora, Srta.=señorita, Dr.=doctor, Dra.=doctora, Prof.=profesor, etc.=etcétera, "
            "p. ej.=por ejemplo, p.ej.=por ejemplo, núm.=número, Núm.=número, n.º=número, Av.=avenida, Avda.=avenida, "
            "Ud.=usted, Uds.=ustedes, aprox.=aproximadamente, tel.=teléfono"
        ),
    ),
    "it": SpokenWords(
        decimal=",",
        point="virgola",
        minus="meno",
        percent="per cento",
        times="per",
        plus="più",
        to="a",
        between_coins=" e ",
        names_cents=False,
        hour="{h} e {m}",
        full_hour="{h} in punto",
        hour_words=("in punto",),
        codes=("numero", "codice", "ordine", "conto"),
        months=_months("gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"),
        date="{day} {month} {year}",
        date_without_year="{day} {month}",
        currencies=_currencies(
            "dollaro/dollari/centesimo/centesimi", "euro/euro/centesimo/centesimi", "sterlina/sterline/penny/pence"
        ),
        units=_units(
            "km/h|chilometro all'ora|chilometri all'ora, km/chilometro/chilometri, cm/centimetro/centimetri, "
            "mm/millimetro/millimetri, m/metro/metri, kg/chilo/chili, g/grammo/grammi, ml/millilitro/millilitri, "
            "l/litro/litri, °C/grado/gradi, °/grado/gradi, min/minuto/minuti"
        ),
        abbreviations=_pairs(
            "Sig.=signor, Sig.ra=signora, Dott.=dottor, Dott.ssa=dottoressa, Prof.=professor, ecc.=eccetera, "
            "p.es.=per esempio, es.=esempio, tel.=telefono, Avv.=avvocato"
        ),
    ),
    "pt": SpokenWords(
        decimal=",",
        point="vírgula",
        minus="menos",
        percent="por cento",
        times="vezes",
        plus="mais",
        to="a",
        between_coins=" e ",
        names_cents=False,
        hour="{h} e {m}",
        full_hour="{h} horas",
        hour_words=("horas", "h"),
        codes=("número", "código", "pedido", "conta"),
        months=_months("janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"),
        date="{day} de {month} de {year}",
        date_without_year="{day} de {month}",
        currencies=_currencies(
            "dólar/dólares/centavo/centavos", "euro/euros/cêntimo/cêntimos", "libra/libras/pêni/pence"
        )
        | {"R$": Currency(one="real", many="reais", cent="centavo", cents="centavos")},
        units=_units(
            "km/h|quilômetro por hora|quilômetros por hora, km/quilômetro/quilômetros, cm/centímetro/centímetros, "
            "mm/milímetro/milímetros, m/metro/metros, kg/quilo/quilos, g/grama/gramas, ml/mililitro/mililitros, "
            "l/litro/litros, °C/grau/graus, °/grau/graus, min/minuto/minutos"
        ),
        abbreviations=_pairs(
            "Sr.=senhor, Sra.=senhora, Dr.=doutor, Dra.=doutora, Prof.=professor, etc.=et cetera, "
            "p. ex.=por exemplo, p.ex.=por exemplo, n.º=número, nº=número, Av.=avenida, tel.=telefone"
        ),
    ),
    "nl": SpokenWords(
        decimal=",",
        point="komma",
        minus="min",
        percent="procent",
        times="keer",
        plus="plus",
        to="tot",
        between_coins=" ",
        names_cents=False,
        hour="{h} uur {m}",
        full_hour="{h} uur",
        hour_words=("uur",),
        codes=("nummer", "code", "bestelnummer", "klantnummer", "rekening"),
        months=_months("januari februari maart april mei juni juli augustus september oktober november december"),
        date="{day} {month} {year}",
        date_without_year="{day} {month}",
        currencies=_currencies("dollar/dollar/cent/cent", "euro/euro/cent/cent", "pond/pond/penny/pence"),
        units=_units(
            "km/h|kilometer per uur|kilometer per uur, km/kilometer/kilometer, cm/centimeter/centimeter, "
            "mm/millimeter/millimeter, m/meter/meter, kg/kilo/kilo, g/gram/gram, ml/milliliter/milliliter, "
            "l/liter/liter, °C/graad/graden, °/graad/graden, min/minuut/minuten"
        ),
        abbreviations=_pairs(
            "dhr.=de heer, Dhr.=De heer, mevr.=mevrouw, Mevr.=Mevrouw, Dr.=dokter, dr.=dokter, Prof.=professor, "
            "bijv.=bijvoorbeeld, Bijv.=Bijvoorbeeld, "
            "bv.=bijvoorbeeld, enz.=enzovoort, d.w.z.=dat wil zeggen, ca.=circa, nr.=nummer, Nr.=nummer, "
            "tel.=telefoon, incl.=inclusief, excl.=exclusief"
        ),
    ),
}
"""By the first part of a language's tag."""

_LATIN_AMERICA: Final = ("mx", "us", "pr", "gt", "hn", "ni", "pa", "sv", "do", "pe", "419")
DECIMAL_DOT: Final = frozenset(("de-ch", "de-li", "it-ch", *(f"es-{region}" for region in _LATIN_AMERICA)))
"""Regions that write a dot where their language writes a comma. In lower case."""
MONTH_FIRST: Final = frozenset(("en", "en-us", "en-ca", "en-ph"))
"""Languages in which 4/5/2026 is the fifth of April. In lower case."""
