"""Contacts as real address books hold them: names of many languages, long values, missing fields. The same seed gives the
same contacts, so a run can be repeated.

    python3 contacts.py [COUNT] [SEED] > contacts.ndjson
"""
import json
import random
import sys
from typing import Any, Dict, Iterator

FIRST = (
    "Bob Ana Jürgen Zoë François Łukasz Øyvind İpek Nguyễn Siobhán Björk Dvořák Þóra Chloë André Marta Ivana Renée "
    "Αλέξανδρος Ελένη Дмитрий Ольга محمد فاطمة דוד נועה 伟 静 太郎 花子 민준 서연 आरव प्रिया สมชาย ธิดา Kwame Amara Tāne Aroha"
).split()
LAST = (
    "Smith Jones Müller Nuñez O'Brien d'Angelo von-der-Leyen Łukasiewicz Øster Yılmaz Trần Ní-Dhomhnaill Guðmundsdóttir "
    "Παπαδόπουλος Иванова حسن כהן 王 佐藤 김 शर्मा ใจดี Okonkwo Te-Rangi Featherstonehaugh"
).split()
TITLES = "Engineer,Buyer,Head of Purchasing,Ärztin,Directeur général,部長,Accountant (part-time)".split(",")
NOTE = "Met at the fair; asked for a quote \"soon\".\nPrefers e-mail \u2014 \u00e9crire en fran\u00e7ais. \U0001F600 "


def contacts(count: int = 10_000, seed: int = 20_261_124) -> Iterator[Dict[str, Any]]:
    """Yields items of `transfer_data`."""
    chance = random.Random(seed)
    for number in range(count):
        # Middle initials keep namesakes rare: without an e-mail or phone to tell them apart they would be one person.
        first = "%s %s." % (chance.choice(FIRST), chance.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
        last = "%s-%s" % (chance.choice(LAST), chance.choice(LAST)) if chance.random() < 0.8 else chance.choice(LAST)
        data: Dict[str, Any] = {"first_name": first, "last_name": last}
        if chance.random() < 0.9:
            data["email"] = "person%d@example%d.org" % (number, number % 97)
        if chance.random() < 0.7:
            data["phone"] = "+%d %03d %07d" % (chance.randint(1, 98), number % 1000, number)
        if chance.random() < 0.5:
            data["job_title"] = chance.choice(TITLES)
        if chance.random() < 0.05:
            data["job_title"] = (NOTE * 40)[: chance.randint(500, 2000)]
        if chance.random() < 0.1:
            data["phone"] = None
        yield {"internal_id": "person-%d" % number, "data": data}


if __name__ == "__main__":
    arguments = [int(text) for text in sys.argv[1:3]]
    for contact in contacts(*arguments):
        print(json.dumps(contact, ensure_ascii=False))
