"""The three pictures of the page: spectrum, losses, contributions. Colours are those of every other picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.models import (
    BoxAnnotation,
    ColumnDataSource,
    CrosshairTool,
    CustomJS,
    HoverTool,
    Label,
    Legend,
    LegendItem,
    Range1d,
    Span,
)
from bokeh.plotting import figure

from rfscore.plotting import style

TOOLS = "pan,wheel_zoom,box_zoom,reset,save"
BULKS = ("lowest bulk", "sample bulk", "population bulk")
_MARKS = {  # time -> (colour, dash, where its name stands, in pixels from the top)
    "tau_gen_scale": (style.POPULATION, "dotted", 14), "tau_opt": (style.TRAIN, "solid", 30),
    "tau_mem_edge": (style.SAMPLE, "dotted", 14), "tau_half": (style.TEST, "solid", 30),
    "tau_last_edge": (style.LOWEST, "dotted", 46),
}  # fmt: skip
_CURVES = {"test": (style.TEST, "solid", "test loss"), "train": (style.TRAIN, "dashed", "training loss"),
           "score_error": (style.REAL, "dotdash", "score error")}  # fmt: skip


def _figure(title: str, x: str, y: str, **options: Any) -> Any:
    made = figure(title=title, x_axis_label=x, y_axis_label=y, x_axis_type="log", height=330, tools=TOOLS,
                  sizing_mode="stretch_width", **options)  # fmt: skip
    made.toolbar.logo, made.toolbar.autohide = None, False
    made.xgrid.grid_line_color = made.ygrid.grid_line_color = "#ececf0"
    made.outline_line_color = None
    made.title.text_color, made.title.text_font_style = style.INK, "normal"
    return made


def _legend_above(made: Any, legend: Any) -> None:
    """Where it hides no curve."""
    legend.update(orientation="horizontal", border_line_color=None, background_fill_color=None, spacing=14, padding=2,
                  margin=0, label_text_font_size="12px", glyph_width=18)  # fmt: skip
    if legend in made.center:
        made.center.remove(legend)
    made.add_layout(legend, "above")


class Pictures:
    """Figures, their data, and how a piece of an answer gets into them."""

    def __init__(self) -> None:
        self.source = {name: ColumnDataSource() for name in ("losses", "network", "drawn", *BULKS)}
        self.source["losses"].data = {"tau": [], "test": [], "train": [], "score_error": []}
        self.source["network"].data = {"tau": [], "test": [], "train": [], "score_error": []}
        self.source["drawn"].data = {"lam": [], "height": []}
        self.bulk_source = ColumnDataSource({"tau": [], **{name: [] for name in BULKS}})
        for name in BULKS:
            self.source[name].data = {"lam": [], "height": []}
        self.tau_range, self.lam_range = Range1d(1e-1, 1e7), Range1d(1e-3, 1e2)
        self.heights = {name: Range1d(low, high) for name, (low, high) in
                        {"spectrum": (0, 1), "losses": (1e-2, 1e2), "bulks": (-1, 1)}.items()}  # fmt: skip
        self.here = Span(dimension="height", line_color="#666666", line_width=1)
        self.learned = Span(dimension="height", line_color="#444444", line_dash="dashed", line_width=1.5, visible=False)
        self.atom = Span(dimension="height", line_color=style.ATOM, line_width=4, line_alpha=0.6, visible=False)
        self.spectrum, self.losses, self.contributions = self._spectrum(), self._losses(), self._contributions()

    def _spectrum(self) -> Any:
        made = _figure("Spectrum of U", "eigenvalue lambda", "lambda × density", x_range=self.lam_range,
                       y_range=self.heights["spectrum"])  # fmt: skip
        for name in BULKS:
            colour = style.bulk_colour(name)
            made.varea("lam", 0, "height", source=self.source[name], color=colour, alpha=0.35, legend_label=name)
            made.line("lam", "height", source=self.source[name], color=colour, line_width=2, legend_label=name)
        made.scatter("lam", "height", source=self.source["drawn"], color=style.INK, size=5, fill_color="white")
        made.add_layout(self.atom)
        made.add_layout(self.learned)
        made.add_tools(HoverTool(tooltips=[("lambda", "@lam{0.[00000]}"), ("lambda × density", "@height{0.[0000]}")]))
        _legend_above(made, made.legend[0])
        return made

    def _losses(self) -> Any:
        made = _figure("Losses per dimension", "training time tau", "loss", x_range=self.tau_range,
                       y_range=self.heights["losses"], y_axis_type="log")  # fmt: skip
        items = []
        lines = []
        for name, (colour, dash, words) in _CURVES.items():
            line = made.line("tau", name, source=self.source["losses"], color=colour, line_dash=dash, line_width=2)
            points = made.scatter("tau", name, source=self.source["network"], color=colour, size=6, fill_color="white")
            items.append(LegendItem(label=words, renderers=[line, points]))
            lines.append(line)
        self.window = BoxAnnotation(fill_color=style.ATOM, fill_alpha=0.12, visible=False)
        made.add_layout(self.window)
        self.marks = {}
        for name, (colour, dash, down) in _MARKS.items():
            span = Span(dimension="height", line_color=colour, line_dash=dash, line_width=1.5, visible=False)
            label = Label(x=1.0, y=330 - 95 - down, y_units="screen", x_offset=3, text=name, text_font_size="11px",
                          text_color=style.INK, visible=False)  # fmt: skip
            made.add_layout(span), made.add_layout(label)
            self.marks[name] = (span, label)
        _legend_above(made, Legend(items=items))
        rows = [("tau", "@tau{0.[00]a}"), *((words, f"@{name}{{0.[0000]}}") for name, (_, _, words) in _CURVES.items())]
        made.add_tools(HoverTool(renderers=lines[:1], mode="vline", tooltips=rows), CrosshairTool(overlay=self.here))
        return made

    def _contributions(self) -> Any:
        made = _figure("What each bulk adds to the test loss", "training time tau", "part of (test loss - 1)",
                       x_range=self.tau_range, y_range=self.heights["bulks"])  # fmt: skip
        for name, dash in zip(BULKS, ("solid", "dashed", "dotdash"), strict=True):
            made.line("tau", name, source=self.bulk_source, color=style.bulk_colour(name), line_width=2, line_dash=dash,
                      legend_label=name)  # fmt: skip
        _legend_above(made, made.legend[0])
        rows = [("tau", "@tau{0.[00]a}"), *((name, f"@{{{name}}}{{0.[0000]}}") for name in BULKS)]
        made.add_tools(HoverTool(mode="vline", tooltips=rows), CrosshairTool(overlay=self.here))
        return made

    def link(self, rate: ColumnDataSource) -> None:
        """A time under the mouse is an eigenvalue in the spectrum: larger ones are learned by then."""
        code = """const speed = rate.data.rate[0];
            if (cb_obj.x > 0 && speed > 0) { span.location = 1 / (speed * cb_obj.x); span.visible = true; }"""
        move = CustomJS(args={"span": self.learned, "rate": rate}, code=code)
        gone = CustomJS(args={"span": self.learned}, code="span.visible = false")
        for made in (self.losses, self.contributions):
            made.js_on_event("mousemove", move)
            made.js_on_event("mouseleave", gone)

    def show_losses(self, columns: dict[str, Any]) -> None:
        """The three curves, or none."""
        empty: dict[str, Any] = {name: [] for name in ("tau", *_CURVES)}
        self.source["losses"].data = columns or empty
        self.source["network"].data, self.source["drawn"].data = empty, {"lam": [], "height": []}
        if columns:
            two = np.concatenate([columns["test"], columns["train"]])
            lowest = min(x[x > 0].min() for x in (two, columns["score_error"]))
            self.heights["losses"].update(start=max(1e-4, 0.6 * lowest), end=1.6 * two.max())

    def show_spectrum(self, columns: dict[str, Any], numbers: dict[str, float]) -> None:
        """Each bulk in its colour; several sample or population bulks are one patch after the other."""
        for name in BULKS:
            chosen = [] if not columns else [i for i, b in enumerate(columns["bulk"]) if str(b).startswith(name)]
            # From one bulk to the next the patch goes along the axis: both ends are at height 0.
            self.source[name].data = {k: columns[k][chosen] if columns else [] for k in ("lam", "height")}
        place = numbers.get("atom", np.nan)
        self.atom.update(location=place if place > 0 else 1.0, visible=bool(place > 0))
        if columns:
            places = [place] * bool(place > 0) + [columns["lam"].min(), columns["lam"].max()]
            self.lam_range.update(start=0.5 * min(places), end=2 * max(places))
            self.heights["spectrum"].update(start=0, end=1.15 * np.max(columns["height"]))

    def show_times(self, numbers: dict[str, float]) -> None:
        """Marks at the times there are, and the window between best stopping and half gap."""
        for name, (span, label) in self.marks.items():
            tau = numbers.get(name, np.nan)
            there = bool(np.isfinite(tau) and tau > 0)
            span.update(location=tau if there else 1.0, visible=there)
            label.update(x=tau if there else 1.0, visible=there)
        low, high = numbers.get("tau_opt", np.nan), numbers.get("tau_half", np.nan)
        there = bool(np.isfinite(low) and np.isfinite(high) and low > 0)
        self.window.update(left=low if there else None, right=high if there else None, visible=there)
        known = [x for name in _MARKS if np.isfinite(x := numbers.get(name, np.nan)) and x > 0]
        if known:
            self.tau_range.update(start=max(1e-2, 0.05 * min(known)), end=min(1e12, 20 * max(known)))

    def show_bulks(self, columns: dict[str, Any]) -> None:
        """One line a bulk; several bulks of one kind are added."""
        tau = columns.get("tau", np.array([]))
        parts = {k: sum((v for n, v in columns.items() if n.startswith(k)), np.zeros(len(tau))) for k in BULKS}
        self.bulk_source.data = {"tau": tau, **parts}
        if columns:
            every = np.concatenate(list(parts.values()))
            low, high = float(every.min()), float(every.max())
            room = 0.08 * (high - low or 1.0)
            self.heights["bulks"].update(start=low - room, end=high + room)

    def show_network(self, columns: dict[str, Any]) -> None:
        """Points of one drawn network on top."""
        if columns:
            self.source["network"].data = {name: columns[name] for name in ("tau", *_CURVES)}
            self.source["drawn"].data = {name: columns[name] for name in ("lam", "height")}
