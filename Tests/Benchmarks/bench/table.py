"""Series of measurements, their ratios, targets and verdicts, as text and as JSON."""

import statistics


def number(value):
    """Four significant digits, thousands apart."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


class Group:
    """One row of the target table: who was measured, in which unit, and what is wanted."""

    def __init__(self, title, unit, where, rounds):
        self.title, self.unit, self.where, self.rounds = title, unit, where, rounds
        self.series = {}
        self.lines = []

    def add(self, name, value):
        """One round's value of a contestant."""
        self.series.setdefault(name, []).append(value)

    def skip(self, name, why):
        self.lines.append({"kind": "skipped", "name": name, "why": str(why)})

    def say(self, text):
        self.lines.append({"kind": "note", "text": text})

    def ratio(self, name, reference, at_most=None, at_least=None):
        """How a contestant stands to a reference, round by round. Nothing if one of them is missing."""
        pairs = list(zip(self.series.get(name, []), self.series.get(reference, [])))
        if pairs:
            ratios = [a / b for a, b in pairs]
            self._judge(f"{name} / {reference}", ratios, at_most, at_least)

    def limit(self, name, at_most=None, at_least=None):
        """How a contestant stands to a figure."""
        if name in self.series:
            self._judge(name, self.series[name], at_most, at_least)

    def _judge(self, name, values, at_most, at_least):
        middle = statistics.median(values)
        verdict, target = "", ""
        if at_most is not None:
            verdict, target = _verdict(middle / at_most), f"<= {number(at_most)}"
        elif at_least is not None:
            verdict, target = _verdict(at_least / middle if middle else 99), f">= {number(at_least)}"
        self.lines.append({
            "kind": "ratio", "name": name, "median": middle, "least": min(values), "most": max(values),
            "target": target, "verdict": verdict,
        })

    def text(self):
        yield f"{self.title}  [{self.unit}; {self.where}; {_rounds(self.rounds)}]"
        names = [*self.series, *(line["name"] for line in self.lines if line["kind"] == "ratio")]
        width = max(map(len, names), default=0) + 2
        for name, values in self.series.items():
            spread = f"{number(min(values))} … {number(max(values))}" if len(values) > 1 else ""
            yield f"    {name:<{width}}{number(statistics.median(values)):>9}   {spread}".rstrip()
        for line in self.lines:
            if line["kind"] == "ratio":
                spread = f"{number(line['least'])} … {number(line['most'])}" if line["least"] != line["most"] else ""
                verdict = f"   target {line['target']}: {line['verdict']}" if line["target"] else ""
                yield f"  = {line['name']:<{width}}{number(line['median']):>9}   {spread:<19}{verdict}".rstrip()
            elif line["kind"] == "skipped":
                yield f"    {line['name']}: skipped, {line['why']}"
            else:
                yield f"    {line['text']}"

    def value(self):
        return {
            "title": self.title, "unit": self.unit, "where": self.where, "rounds": self.rounds,
            "series": [
                {"name": name, "median": statistics.median(values), "values": values}
                for name, values in self.series.items()
            ],
            "lines": self.lines,
        }


def _rounds(count):
    return "once" if count == 1 else f"median of {count} rounds, then least … most"


def _verdict(distance):
    """`distance` is 1 on the target and above 1 on its wrong side."""
    if distance <= 1:
        return "met"
    return "within 2 x" if distance <= 2 else "MISSED"
