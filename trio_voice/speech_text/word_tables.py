"""Words of spoken forms in each language: units, currencies, months, abbreviations, and how figures are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trio_voice.speech_text.spoken_words import Currency, SpokenWords, currencies_of, pairs_of, units_of, words_of

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
        months=words_of("January February March April May June July August September October November December"),
        date="{month} {day}, {year}",
        date_without_year="{month} {day}",
        currencies={
            **currencies_of("dollar/dollars/cent/cents", "euro/euros/cent/cents", "pound/pounds/penny/pence"),
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
        units=units_of(
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
            "L/liter/liters, GHz/gigahertz/gigahertz, MHz/megahertz/megahertz, mL/milliliter/milliliters, "
            "Hz/hertz/hertz, "
            "kHz/kilohertz/kilohertz, dB/decibel/decibels, kcal/kilocalorie/kilocalories, tbsp/tablespoon/tablespoons, "
            "tsp/teaspoon/teaspoons, MB/s|megabyte per second|megabytes per second, "
            "GB/s|gigabyte per second|gigabytes per second, m/s|meter per second|meters per second"
        ),
        abbreviations=pairs_of(
            "Sgt.=Sergeant, Rev.=Reverend, Gov.=Governor, Lt.=Lieutenant, Capt.=Captain, Sen.=Senator, Gen.=General, "
            "Mt.=Mount, Ft.=Fort, Dr.=Doctor, Mr.=Mister, Mrs.=Missus, Ms.=Miss, Prof.=Professor, Ave.=Avenue, "
            "Rd.=Road, "
            "Blvd.=Boulevard, "
            "approx.=approximately, e.g.=for example, i.e.=that is, etc.=et cetera, vs.=versus, dept.=department, "
            "Dept.=Department, Inc.=Incorporated, Ltd.=Limited, Apt.=Apartment, Jan.=January, Feb.=February, "
            "Mar.=March, Apr.=April, Aug.=August, Sept.=September, Sep.=September, Oct.=October, Nov.=November, "
            "Dec.=December, "
            "Mon.=Monday, Tue.=Tuesday, Wed.=Wednesday, Thu.=Thursday, Fri.=Friday, Sat.=Saturday, Sun.=Sunday, "
            "No.=number, no.=number, w/=with, w/o=without, Jr.=Junior, Sr.=Senior, pp.=pages, incl.=including, "
            "excl.=excluding, ext.=extension, Ext.=extension, Tues.=Tuesday, Thurs.=Thursday, §=section"
        ),
        days=pairs_of(
            "Mon=Monday, Tue=Tuesday, Tues=Tuesday, Wed=Wednesday, Thu=Thursday, Thurs=Thursday, Fri=Friday, "
            "Sat=Saturday, Sun=Sunday"
        ),
        counted=words_of(
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
        months=words_of("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
        date="{day} {month} {year}",
        date_without_year="{day} {month}",
        currencies=currencies_of("Dollar/Dollar/Cent/Cent", "Euro/Euro/Cent/Cent", "Pfund/Pfund/Penny/Pence")
        | {"CHF": Currency(one="Franken", many="Franken", cent="Rappen", cents="Rappen")},
        units=units_of(
            "km/h|Kilometer pro Stunde|Kilometer pro Stunde, km/Kilometer/Kilometer, cm/Zentimeter/Zentimeter, "
            "mm/Millimeter/Millimeter, m/Meter/Meter, kg/Kilogramm/Kilogramm, g/Gramm/Gramm, mg/Milligramm/Milligramm, "
            "ml/Milliliter/Milliliter, l/Liter/Liter, °C/Grad/Grad, °/Grad/Grad, kWh/Kilowattstunde/Kilowattstunden, "
            "MB/Megabyte/Megabyte, GB/Gigabyte/Gigabyte, min/Minute/Minuten, Min./Minute/Minuten, Std./Stunde/Stunden, "
            "h/Stunde/Stunden, m²/Quadratmeter/Quadratmeter, m³/Kubikmeter/Kubikmeter, "
            "km²/Quadratkilometer/Quadratkilometer, cl/Zentiliter/Zentiliter, Hz/Hertz/Hertz, MHz/Megahertz/Megahertz, "
            "V/Volt/Volt, W/Watt/Watt, Stk./Stück/Stück, Pers./Person/Personen, s/Sekunde/Sekunden, ct/Cent/Cent, "
            "m/s|Meter pro Sekunde|Meter pro Sekunde"
        ),
        abbreviations=pairs_of(
            "z.B.=zum Beispiel, z. B.=zum Beispiel, d.h.=das heißt, d. h.=das heißt, usw.=und so weiter, ca.=circa, "
            "bzw.=beziehungsweise, Nr.=Nummer, Hr.=Herr, Fr.=Frau, Dr.=Doktor, Prof.=Professor, Str.=Straße, "
            "evtl.=eventuell, ggf.=gegebenenfalls, inkl.=inklusive, zzgl.=zuzüglich, u.a.=unter anderem, "
            "etc.=et cetera, Tel.=Telefon, Hausnr.=Hausnummer, Jh.=Jahrhundert, Abs.=Absatz, "
            "§=Paragraf, Mo.=Montag, Di.=Dienstag, Mi.=Mittwoch, Do.=Donnerstag, Sa.=Samstag, "
            "So.=Sonntag, max.=maximal, mind.=mindestens, Bestellnr.=Bestellnummer, Kd.-Nr.=Kundennummer, Fa.=Firma, "
            "i.d.R.=in der Regel, u.v.m.=und vieles mehr, s.o.=siehe oben, s.u.=siehe unten, o.ä.=oder Ähnliches, "
            "v.Chr.=vor Christus, v. Chr.=vor Christus, n. Chr.=nach Christus, bspw.=beispielsweise, S.=Seite, "
            "Art.=Artikel, MwSt.=Mehrwertsteuer, MwSt=Mehrwertsteuer, Dipl.-Ing.=Diplom-Ingenieur, "
            "u. a.=unter anderem, exkl.=exklusive, vgl.=vergleiche"
        ),
        days=pairs_of("Mo=Montag, Di=Dienstag, Mi=Mittwoch, Do=Donnerstag, Fr=Freitag, Sa=Samstag, So=Sonntag"),
        counted=words_of("Kapitel Teil Weltkrieg Band Akt Phase Stufe Abschnitt Artikel Anhang Typ Klasse Tabelle"),
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
        months=words_of("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
        date="{day} {month} {year}",
        date_without_year="{day} {month}",
        currencies=currencies_of("dollar/dollars/cent/cents", "euro/euros/centime/centimes", "livre/livres/penny/pence")
        | {"CHF": Currency(one="franc", many="francs", cent="centime", cents="centimes")},
        units=units_of(
            "km/h|kilomètre à l'heure|kilomètres à l'heure, km/kilomètre/kilomètres, cm/centimètre/centimètres, "
            "mm/millimètre/millimètres, m/mètre/mètres, kg/kilo/kilos, g/gramme/grammes, mg/milligramme/milligrammes, "
            "ml/millilitre/millilitres, l/litre/litres, °C/degré/degrés, °/degré/degrés, min/minute/minutes, "
            "Go/gigaoctet/gigaoctets, Mo/mégaoctet/mégaoctets, m²/mètre carré/mètres carrés, "
            "m³/mètre cube/mètres cubes, h/heure/heures, cl/centilitre/centilitres, j/jour/jours, "
            "s/seconde/secondes, cts/centime/centimes, ct/centime/centimes"
        ),
        abbreviations=pairs_of(
            "M.=Monsieur, Mme.=Madame, Mme=Madame, Mlle=Mademoiselle, Dr.=Docteur, Dr=Docteur, Pr.=Professeur, "
            "etc.=et cetera, p. ex.=par exemple, p.ex.=par exemple, n°=numéro, N°=numéro, av.=avenue, bd.=boulevard, "
            "env.=environ, tél.=téléphone, MM.=Messieurs, art.=article, "
            "Pr=Professeur, bd=boulevard, p.=page, vol.=volume, c.-à-d.=c'est-à-dire, max.=maximum, "
            "av. J.-C.=avant Jésus-Christ, ap. J.-C.=après Jésus-Christ, J.-C.=Jésus-Christ"
        ),
        days=pairs_of("lun=lundi, mar=mardi, mer=mercredi, jeu=jeudi, ven=vendredi, sam=samedi, dim=dimanche"),
        counted=words_of("Chapitre Partie Tome Acte Phase Niveau Section Article Annexe Type Classe"),
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
        months=words_of("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
        date="{day} de {month} de {year}",
        date_without_year="{day} de {month}",
        currencies=currencies_of(
            "dólar/dólares/centavo/centavos", "euro/euros/céntimo/céntimos", "libra/libras/penique/peniques"
        ),
        units=units_of(
            "km/h|kilómetro por hora|kilómetros por hora, km/kilómetro/kilómetros, cm/centímetro/centímetros, "
            "mm/milímetro/milímetros, m/metro/metros, kg/kilo/kilos, g/gramo/gramos, ml/mililitro/mililitros, "
            "l/litro/litros, °C/grado/grados, °/grado/grados, min/minuto/minutos, "
            "m²/metro cuadrado/metros cuadrados, m³/metro cúbico/metros cúbicos, h/hora/horas, "
            "cl/centilitro/centilitros, s/segundo/segundos, cts/céntimo/céntimos"
        ),
        abbreviations=pairs_of(
            "Sr.=señor, Sra.=señora, Srta.=señorita, Dr.=doctor, Dra.=doctora, Prof.=profesor, etc.=etcétera, "
            "p. ej.=por ejemplo, p.ej.=por ejemplo, núm.=número, Núm.=número, n.º=número, Av.=avenida, Avda.=avenida, "
            "EE. UU.=Estados Unidos, EE.UU.=Estados Unidos, Ud.=usted, Uds.=ustedes, aprox.=aproximadamente, "
            "tel.=teléfono, máx.=máximo, mín.=mínimo, pág.=página, art.=artículo, vol.=volumen, Dña.=doña, "
            "ext.=extensión, a. C.=antes de Cristo, d. C.=después de Cristo"
        ),
        days=pairs_of("lun=lunes, mar=martes, mié=miércoles, jue=jueves, vie=viernes, sáb=sábado, dom=domingo"),
        counted=words_of("Capítulo Parte Tomo Acto Fase Nivel Sección Artículo Anexo Tipo Clase siglo Siglo"),
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
        months=words_of(
            "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"
        ),
        date="{day} {month} {year}",
        date_without_year="{day} {month}",
        currencies=currencies_of(
            "dollaro/dollari/centesimo/centesimi", "euro/euro/centesimo/centesimi", "sterlina/sterline/penny/pence"
        ),
        units=units_of(
            "km/h|chilometro all'ora|chilometri all'ora, km/chilometro/chilometri, cm/centimetro/centimetri, "
            "mm/millimetro/millimetri, m/metro/metri, kg/chilo/chili, g/grammo/grammi, ml/millilitro/millilitri, "
            "l/litro/litri, °C/grado/gradi, °/grado/gradi, min/minuto/minuti, "
            "m²/metro quadrato/metri quadrati, m³/metro cubo/metri cubi, mq/metro quadrato/metri quadrati, "
            "h/ora/ore, cl/centilitro/centilitri, s/secondo/secondi"
        ),
        abbreviations=pairs_of(
            "ca.=circa, n.=numero, "
            "Sig.=signor, Sig.ra=signora, Dott.=dottor, Dott.ssa=dottoressa, Prof.=professor, ecc.=eccetera, "
            "p.es.=per esempio, es.=esempio, tel.=telefono, Avv.=avvocato, "
            "p. es.=per esempio, max.=massimo, pag.=pagina, art.=articolo, Sig.na=signorina, Ing.=ingegner, "
            "P.zza=piazza, C.so=corso, V.le=viale, a.C.=avanti Cristo, d.C.=dopo Cristo, int.=interno"
        ),
        days=pairs_of("lun=lunedì, mar=martedì, mer=mercoledì, gio=giovedì, ven=venerdì, sab=sabato, dom=domenica"),
        counted=words_of("Capitolo Parte Volume Atto Fase Livello Sezione Articolo Allegato Tipo Classe secolo"),
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
        months=words_of("janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"),
        date="{day} de {month} de {year}",
        date_without_year="{day} de {month}",
        currencies=currencies_of(
            "dólar/dólares/centavo/centavos", "euro/euros/cêntimo/cêntimos", "libra/libras/pêni/pence"
        )
        | {"R$": Currency(one="real", many="reais", cent="centavo", cents="centavos")},
        units=units_of(
            "km/h|quilômetro por hora|quilômetros por hora, km/quilômetro/quilômetros, cm/centímetro/centímetros, "
            "mm/milímetro/milímetros, m/metro/metros, kg/quilo/quilos, g/grama/gramas, ml/mililitro/mililitros, "
            "l/litro/litros, °C/grau/graus, °/grau/graus, min/minuto/minutos, "
            "m²/metro quadrado/metros quadrados, m³/metro cúbico/metros cúbicos, h/hora/horas, "
            "cl/centilitro/centilitros, s/segundo/segundos"
        ),
        abbreviations=pairs_of(
            "máx.=máximo, mín.=mínimo, pág.=página, art.=artigo, vol.=volume, Srta.=senhorita, Profa.=professora, "
            "a.C.=antes de Cristo, d.C.=depois de Cristo, Ltda.=limitada, aprox.=aproximadamente, "
            "Sr.=senhor, Sra.=senhora, Dr.=doutor, Dra.=doutora, Prof.=professor, etc.=et cetera, "
            "p. ex.=por exemplo, p.ex.=por exemplo, n.º=número, nº=número, Av.=avenida, tel.=telefone"
        ),
        days=pairs_of("seg=segunda, ter=terça, qua=quarta, qui=quinta, sex=sexta, sáb=sábado, dom=domingo"),
        counted=words_of("Capítulo Parte Volume Ato Fase Nível Secção Seção Artigo Anexo Tipo Classe século Século"),
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
        months=words_of("januari februari maart april mei juni juli augustus september oktober november december"),
        date="{day} {month} {year}",
        date_without_year="{day} {month}",
        currencies=currencies_of("dollar/dollar/cent/cent", "euro/euro/cent/cent", "pond/pond/penny/pence"),
        units=units_of(
            "km/h|kilometer per uur|kilometer per uur, km/kilometer/kilometer, cm/centimeter/centimeter, "
            "mm/millimeter/millimeter, m/meter/meter, kg/kilo/kilo, g/gram/gram, ml/milliliter/milliliter, "
            "l/liter/liter, °C/graad/graden, °/graad/graden, min/minuut/minuten, "
            "m²/vierkante meter/vierkante meter, m³/kubieke meter/kubieke meter, "
            "km/u|kilometer per uur|kilometer per uur, u/uur/uur, h/uur/uur, cl/centiliter/centiliter, "
            "mnd/maand/maanden, s/seconde/seconden"
        ),
        abbreviations=pairs_of(
            "dhr.=de heer, Dhr.=De heer, mevr.=mevrouw, Mevr.=Mevrouw, Dr.=dokter, dr.=dokter, Prof.=professor, "
            "bijv.=bijvoorbeeld, Bijv.=Bijvoorbeeld, "
            "a.u.b.=alstublieft, m.b.t.=met betrekking tot, i.p.v.=in plaats van, t/m=tot en met, o.a.=onder andere, "
            "bv.=bijvoorbeeld, enz.=enzovoort, d.w.z.=dat wil zeggen, ca.=circa, nr.=nummer, Nr.=nummer, "
            "tel.=telefoon, incl.=inclusief, excl.=exclusief, t/m=tot en met, p.p.=per persoon, "
            "mw.=mevrouw, Mw.=Mevrouw, max.=maximaal, blz.=bladzijde, art.=artikel, a.s.=aanstaande, jl.=jongstleden, "
            "v.Chr.=voor Christus, n.Chr.=na Christus, p/m=per maand"
        ),
        days=pairs_of("ma=maandag, di=dinsdag, wo=woensdag, do=donderdag, vr=vrijdag, za=zaterdag, zo=zondag"),
        counted=words_of("Hoofdstuk Deel Wereldoorlog Akte Fase Niveau Sectie Artikel Bijlage Type Klasse"),
    ),
}
"""By the first part of a language's tag."""
