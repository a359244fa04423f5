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
    divided_by: str
    plus: str
    to: str
    """Between the ends of a range."""
    ratio: str
    """Between the numbers of a ratio or a score, 3:1."""
    by: str
    """Between the sides of an area, 3x4."""
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
    days: Mapping[str, str]
    """Of the week, by their short names without dots."""
    counted: tuple[str, ...]
    """Words before a Roman numeral that is said as a number: "Chapter IV"."""


def _units(text: str) -> dict[str, tuple[str, str]]:
    units = {}
    for unit in text.split(","):
        sign, one, many = unit.strip().split("/") if unit.count("/") == 2 else unit.strip().split("|")
        units[sign] = (one, many)
    return units


def _pairs(text: str) -> dict[str, str]:
    return {short.strip(): whole.strip() for short, whole in (pair.split("=") for pair in text.split(","))}


def _words(text: str) -> tuple[str, ...]:
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
        divided_by="divided by",
        plus="plus",
        to="to",
        ratio="to",
        by="by",
        between_coins=" and ",
        names_cents=True,
        hour="{h} {m}",
        full_hour="{h} o'clock",
        hour_words=("o'clock",),
        codes=(
            "number",
            "order",
            "code",
            "pin",
            "zip",
            "account",
            "reference",
            "confirmation",
            "ticket",
            "extension",
            "ending in",
            "ends in",
        ),
        months=_words("January February March April May June July August September October November December"),
        date="{month} {day}, {year}",
        date_without_year="{month} {day}",
        currencies={
            **_currencies("dollar/dollars/cent/cents", "euro/euros/cent/cents", "pound/pounds/penny/pence"),
            **{
                sign: Currency(one=f"{nation} dollar", many=f"{nation} dollars", cent="cent", cents="cents")
                for sign, nation in (
                    *(("US$", "US"), ("CA$", "Canadian"), ("C$", "Canadian"), ("A$", "Australian")),
                    *(("AU$", "Australian"), ("NZ$", "New Zealand"), ("HK$", "Hong Kong")),
                )
            },
            **dict.fromkeys(("¥", "JPY"), Currency(one="yen", many="yen", cent="sen", cents="sen")),
            **dict.fromkeys(("₹", "INR"), Currency(one="rupee", many="rupees", cent="paisa", cents="paise")),
            "CHF": Currency(one="Swiss franc", many="Swiss francs", cent="centime", cents="centimes"),
            **dict.fromkeys(("₩", "KRW"), Currency(one="won", many="won", cent="jeon", cents="jeon")),
            **dict.fromkeys(("zł", "PLN"), Currency(one="zloty", many="zloty", cent="grosz", cents="grosz")),
            "₿": Currency(one="bitcoin", many="bitcoin", cent="cent", cents="cents"),
        },
        units=_units(
            "km/h|kilometer per hour|kilometers per hour, mph/mile per hour/miles per hour, km/kilometer/kilometers, "
            "cm/centimeter/centimeters, mm/millimeter/millimeters, m/meter/meters, kg/kilogram/kilograms, g/gram/grams,"
            " mg/milligram/milligrams, ml/milliliter/milliliters, l/liter/liters, lb/pound/pounds, lbs/pound/pounds, "
            "oz/ounce/ounces, ft/foot/feet, mi/mile/miles, °C/degree Celsius/degrees Celsius, "
            "°F/degree Fahrenheit/degrees Fahrenheit, °/degree/degrees, kWh/kilowatt hour/kilowatt hours, "
            "MB/megabyte/megabytes, GB/gigabyte/gigabytes, TB/terabyte/terabytes, min/minute/minutes, "
            "mins/minute/minutes, hrs/hour/hours, hr/hour/hours, h/hour/hours, sec/second/seconds, "
            "secs/second/seconds, "
            "m²/square meter/square meters, m³/cubic meter/cubic meters, km²/square kilometer/square kilometers, "
            "cm²/square centimeter/square centimeters, ¢/cent/cents, p/penny/pence, "
            "V/volt/volts, W/watt/watts, kW/kilowatt/kilowatts, yrs/year/years, yr/year/years, ‰/per mille/per mille, "
            "Mbit/s|megabit per second|megabits per second, Mbps/megabit per second/megabits per second, "
            "L/liter/liters, GHz/gigahertz/gigahertz, MHz/megahertz/megahertz"
        ),
        abbreviations=_pairs(
            "Dr.=Doctor, Mr.=Mister, Mrs.=Missus, Ms.=Miss, Prof.=Professor, Ave.=Avenue, Rd.=Road, Blvd.=Boulevard, "
            "approx.=approximately, e.g.=for example, i.e.=that is, etc.=et cetera, vs.=versus, dept.=department, "
            "Dept.=Department, Inc.=Incorporated, Ltd.=Limited, Apt.=Apartment, Jan.=January, Feb.=February, "
            "Mar.=March, Apr.=April, Aug.=August, Sept.=September, Sep.=September, Oct.=October, Nov.=November, "
            "Dec.=December, "
            "Mon.=Monday, Tue.=Tuesday, Wed.=Wednesday, Thu.=Thursday, Fri.=Friday, Sat.=Saturday, Sun.=Sunday, "
            "No.=number, no.=number, w/=with, w/o=without, Jr.=Junior, Sr.=Senior, pp.=pages, incl.=including, "
            "excl.=excluding, ext.=extension, Ext.=extension, Tues.=Tuesday, Thurs.=Thursday, §=section"
        ),
        days=_pairs(
            "Mon=Monday, Tue=Tuesday, Tues=Tuesday, Wed=Wednesday, Thu=Thursday, Thurs=Thursday, Fri=Friday, "
            "Sat=Saturday, Sun=Sunday"
        ),
        counted=_words(
            "Chapter Part War Volume Act Phase Level Section Article Appendix Type Class Stage Bowl Book Figure Table "
            "Tier Scene Step Title"
        ),
    ),
    "de": SpokenWords(
        decimal=",",
        point="Komma",
        minus="minus",
        percent="Prozent",
        times="mal",
        divided_by="geteilt durch",
        plus="plus",
        to="bis",
        ratio="zu",
        by="mal",
        between_coins=" ",
        names_cents=False,
        hour="{h} Uhr {m}",
        full_hour="{h} Uhr",
        hour_words=("Uhr",),
        codes=("nummer", "code", "bestellnummer", "kundennummer", "postleitzahl", "pin", "plz", "konto"),
        months=_words("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
        date="{day} {month} {year}",
        date_without_year="{day} {month}",
        currencies=_currencies("Dollar/Dollar/Cent/Cent", "Euro/Euro/Cent/Cent", "Pfund/Pfund/Penny/Pence")
        | {"CHF": Currency(one="Franken", many="Franken", cent="Rappen", cents="Rappen")},
        units=_units(
            "km/h|Kilometer pro Stunde|Kilometer pro Stunde, km/Kilometer/Kilometer, cm/Zentimeter/Zentimeter, "
            "mm/Millimeter/Millimeter, m/Meter/Meter, kg/Kilogramm/Kilogramm, g/Gramm/Gramm, mg/Milligramm/Milligramm, "
            "ml/Milliliter/Milliliter, l/Liter/Liter, °C/Grad/Grad, °/Grad/Grad, kWh/Kilowattstunde/Kilowattstunden, "
            "MB/Megabyte/Megabyte, GB/Gigabyte/Gigabyte, min/Minute/Minuten, Min./Minute/Minuten, Std./Stunde/Stunden, "
            "h/Stunde/Stunden, m²/Quadratmeter/Quadratmeter, m³/Kubikmeter/Kubikmeter, "
            "km²/Quadratkilometer/Quadratkilometer"
        ),
        abbreviations=_pairs(
            "z.B.=zum Beispiel, z. B.=zum Beispiel, d.h.=das heißt, d. h.=das heißt, usw.=und so weiter, ca.=circa, "
            "bzw.=beziehungsweise, Nr.=Nummer, Hr.=Herr, Fr.=Frau, Dr.=Doktor, Prof.=Professor, Str.=Straße, "
            "evtl.=eventuell, ggf.=gegebenenfalls, inkl.=inklusive, zzgl.=zuzüglich, u.a.=unter anderem, "
            "etc.=et cetera, Tel.=Telefon, Hausnr.=Hausnummer, Jh.=Jahrhundert, Abs.=Absatz, "
            "§=Paragraf, Mo.=Montag, Di.=Dienstag, Mi.=Mittwoch, Do.=Donnerstag, Sa.=Samstag, "
            "So.=Sonntag"
        ),
        days=_pairs("Mo=Montag, Di=Dienstag, Mi=Mittwoch, Do=Donnerstag, Fr=Freitag, Sa=Samstag, So=Sonntag"),
        counted=_words("Kapitel Teil Weltkrieg Band Akt Phase Stufe Abschnitt Artikel Anhang Typ Klasse Tabelle"),
    ),
    "fr": SpokenWords(
        decimal=",",
        point="virgule",
        minus="moins",
        percent="pour cent",
        times="fois",
        divided_by="divisé par",
        plus="plus",
        to="à",
        ratio="à",
        by="sur",
        between_coins=" ",
        names_cents=False,
        hour="{h} heures {m}",
        full_hour="{h} heures",
        hour_words=("heures", "heure"),
        codes=("numéro", "code", "commande", "référence", "compte"),
        months=_words("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
        date="{day} {month} {year}",
        date_without_year="{day} {month}",
        currencies=_currencies("dollar/dollars/cent/cents", "euro/euros/centime/centimes", "livre/livres/penny/pence")
        | {"CHF": Currency(one="franc", many="francs", cent="centime", cents="centimes")},
        units=_units(
            "km/h|kilomètre à l'heure|kilomètres à l'heure, km/kilomètre/kilomètres, cm/centimètre/centimètres, "
            "mm/millimètre/millimètres, m/mètre/mètres, kg/kilo/kilos, g/gramme/grammes, mg/milligramme/milligrammes, "
            "ml/millilitre/millilitres, l/litre/litres, °C/degré/degrés, °/degré/degrés, min/minute/minutes, "
            "Go/gigaoctet/gigaoctets, Mo/mégaoctet/mégaoctets, m²/mètre carré/mètres carrés, m³/mètre cube/mètres cubes"
        ),
        abbreviations=_pairs(
            "M.=Monsieur, Mme.=Madame, Mme=Madame, Mlle=Mademoiselle, Dr.=Docteur, Dr=Docteur, Pr.=Professeur, "
            "etc.=et cetera, p. ex.=par exemple, p.ex.=par exemple, n°=numéro, N°=numéro, av.=avenue, bd.=boulevard, "
            "env.=environ, tél.=téléphone, MM.=Messieurs, art.=article"
        ),
        days=_pairs("lun=lundi, mar=mardi, mer=mercredi, jeu=jeudi, ven=vendredi, sam=samedi, dim=dimanche"),
        counted=_words("Chapitre Partie Tome Acte Phase Niveau Section Article Annexe Type Classe"),
    ),
    "es": SpokenWords(
        decimal=",",
        point="coma",
        minus="menos",
        percent="por ciento",
        times="por",
        divided_by="dividido por",
        plus="más",
        to="a",
        ratio="a",
        by="por",
        between_coins=" con ",
        names_cents=False,
        hour="{h} y {m}",
        full_hour="{h} en punto",
        hour_words=("en punto", "horas", "h"),
        codes=("número", "código", "pedido", "referencia", "cuenta"),
        months=_words("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
        date="{day} de {month} de {year}",
        date_without_year="{day} de {month}",
        currencies=_currencies(
            "dólar/dólares/centavo/centavos", "euro/euros/céntimo/céntimos", "libra/libras/penique/peniques"
        ),
        units=_units(
            "km/h|kilómetro por hora|kilómetros por hora, km/kilómetro/kilómetros, cm/centímetro/centímetros, "
            "mm/milímetro/milímetros, m/metro/metros, kg/kilo/kilos, g/gramo/gramos, ml/mililitro/mililitros, "
            "l/litro/litros, °C/grado/grados, °/grado/grados, min/minuto/minutos, "
            "m²/metro cuadrado/metros cuadrados, m³/metro cúbico/metros cúbicos"
        ),
        abbreviations=_pairs(
            "Sr.=señor, Sra.=señora, Srta.=señorita, Dr.=doctor, Dra.=doctora, Prof.=profesor, etc.=etcétera, "
            "p. ej.=por ejemplo, p.ej.=por ejemplo, núm.=número, Núm.=número, n.º=número, Av.=avenida, Avda.=avenida, "
            "EE. UU.=Estados Unidos, EE.UU.=Estados Unidos, Ud.=usted, Uds.=ustedes, aprox.=aproximadamente, "
            "tel.=teléfono"
        ),
        days=_pairs("lun=lunes, mar=martes, mié=miércoles, jue=jueves, vie=viernes, sáb=sábado, dom=domingo"),
        counted=_words("Capítulo Parte Tomo Acto Fase Nivel Sección Artículo Anexo Tipo Clase siglo Siglo"),
    ),
    "it": SpokenWords(
        decimal=",",
        point="virgola",
        minus="meno",
        percent="per cento",
        times="per",
        divided_by="diviso",
        plus="più",
        to="a",
        ratio="a",
        by="per",
        between_coins=" e ",
        names_cents=False,
        hour="{h} e {m}",
        full_hour="{h} in punto",
        hour_words=("in punto",),
        codes=("numero", "codice", "ordine", "conto"),
        months=_words("gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"),
        date="{day} {month} {year}",
        date_without_year="{day} {month}",
        currencies=_currencies(
            "dollaro/dollari/centesimo/centesimi", "euro/euro/centesimo/centesimi", "sterlina/sterline/penny/pence"
        ),
        units=_units(
            "km/h|chilometro all'ora|chilometri all'ora, km/chilometro/chilometri, cm/centimetro/centimetri, "
            "mm/millimetro/millimetri, m/metro/metri, kg/chilo/chili, g/grammo/grammi, ml/millilitro/millilitri, "
            "l/litro/litri, °C/grado/gradi, °/grado/gradi, min/minuto/minuti, "
            "m²/metro quadrato/metri quadrati, m³/metro cubo/metri cubi"
        ),
        abbreviations=_pairs(
            "ca.=circa, n.=numero, "
            "Sig.=signor, Sig.ra=signora, Dott.=dottor, Dott.ssa=dottoressa, Prof.=professor, ecc.=eccetera, "
            "p.es.=per esempio, es.=esempio, tel.=telefono, Avv.=avvocato"
        ),
        days=_pairs("lun=lunedì, mar=martedì, mer=mercoledì, gio=giovedì, ven=venerdì, sab=sabato, dom=domenica"),
        counted=_words("Capitolo Parte Volume Atto Fase Livello Sezione Articolo Allegato Tipo Classe"),
    ),
    "pt": SpokenWords(
        decimal=",",
        point="vírgula",
        minus="menos",
        percent="por cento",
        times="vezes",
        divided_by="dividido por",
        plus="mais",
        to="a",
        ratio="a",
        by="por",
        between_coins=" e ",
        names_cents=False,
        hour="{h} e {m}",
        full_hour="{h} horas",
        hour_words=("horas", "h"),
        codes=("número", "código", "pedido", "conta"),
        months=_words("janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"),
        date="{day} de {month} de {year}",
        date_without_year="{day} de {month}",
        currencies=_currencies(
            "dólar/dólares/centavo/centavos", "euro/euros/cêntimo/cêntimos", "libra/libras/pêni/pence"
        )
        | {"R$": Currency(one="real", many="reais", cent="centavo", cents="centavos")},
        units=_units(
            "km/h|quilômetro por hora|quilômetros por hora, km/quilômetro/quilômetros, cm/centímetro/centímetros, "
            "mm/milímetro/milímetros, m/metro/metros, kg/quilo/quilos, g/grama/gramas, ml/mililitro/mililitros, "
            "l/litro/litros, °C/grau/graus, °/grau/graus, min/minuto/minutos, "
            "m²/metro quadrado/metros quadrados, m³/metro cúbico/metros cúbicos"
        ),
        abbreviations=_pairs(
            "aprox.=aproximadamente, "
            "Sr.=senhor, Sra.=senhora, Dr.=doutor, Dra.=doutora, Prof.=professor, etc.=et cetera, "
            "p. ex.=por exemplo, p.ex.=por exemplo, n.º=número, nº=número, Av.=avenida, tel.=telefone"
        ),
        days=_pairs("seg=segunda, ter=terça, qua=quarta, qui=quinta, sex=sexta, sáb=sábado, dom=domingo"),
        counted=_words("Capítulo Parte Volume Ato Fase Nível Secção Seção Artigo Anexo Tipo Classe século Século"),
    ),
    "nl": SpokenWords(
        decimal=",",
        point="komma",
        minus="min",
        percent="procent",
        times="keer",
        divided_by="gedeeld door",
        plus="plus",
        to="tot",
        ratio="op",
        by="bij",
        between_coins=" ",
        names_cents=False,
        hour="{h} uur {m}",
        full_hour="{h} uur",
        hour_words=("uur",),
        codes=("nummer", "code", "bestelnummer", "klantnummer", "rekening"),
        months=_words("januari februari maart april mei juni juli augustus september oktober november december"),
        date="{day} {month} {year}",
        date_without_year="{day} {month}",
        currencies=_currencies("dollar/dollar/cent/cent", "euro/euro/cent/cent", "pond/pond/penny/pence"),
        units=_units(
            "km/h|kilometer per uur|kilometer per uur, km/kilometer/kilometer, cm/centimeter/centimeter, "
            "mm/millimeter/millimeter, m/meter/meter, kg/kilo/kilo, g/gram/gram, ml/milliliter/milliliter, "
            "l/liter/liter, °C/graad/graden, °/graad/graden, min/minuut/minuten, "
            "m²/vierkante meter/vierkante meter, m³/kubieke meter/kubieke meter"
        ),
        abbreviations=_pairs(
            "dhr.=de heer, Dhr.=De heer, mevr.=mevrouw, Mevr.=Mevrouw, Dr.=dokter, dr.=dokter, Prof.=professor, "
            "bijv.=bijvoorbeeld, Bijv.=Bijvoorbeeld, "
            "a.u.b.=alstublieft, m.b.t.=met betrekking tot, i.p.v.=in plaats van, t/m=tot en met, o.a.=onder andere, "
            "bv.=bijvoorbeeld, enz.=enzovoort, d.w.z.=dat wil zeggen, ca.=circa, nr.=nummer, Nr.=nummer, "
            "tel.=telefoon, incl.=inclusief, excl.=exclusief, t/m=tot en met, p.p.=per persoon"
        ),
        days=_pairs("ma=maandag, di=dinsdag, wo=woensdag, do=donderdag, vr=vrijdag, za=zaterdag, zo=zondag"),
        counted=_words("Hoofdstuk Deel Wereldoorlog Akte Fase Niveau Sectie Artikel Bijlage Type Klasse"),
    ),
}
"""By the first part of a language's tag."""

_LATIN_AMERICA: Final = ("mx", "us", "pr", "gt", "hn", "ni", "pa", "sv", "do", "pe", "419")
DECIMAL_DOT: Final = frozenset(("de-ch", "de-li", "it-ch", *(f"es-{region}" for region in _LATIN_AMERICA)))
"""Regions that write a dot where their language writes a comma. In lower case."""
PESOS: Final = frozenset(f"es-{region}" for region in ("mx", "ar", "cl", "co", "uy", "do", "cu", "419"))
"""Regions in which $ stands for pesos. In lower case."""
PESO: Final = Currency(one="peso", many="pesos", cent="centavo", cents="centavos")
MONTH_FIRST: Final = frozenset(("en", "en-us", "en-ca", "en-ph"))
"""Languages in which 4/5/2026 is the fifth of April. In lower case."""
