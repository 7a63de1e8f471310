"""The page: knobs, pictures, sentences; what a knob does is sent to the worker and comes back piece by piece."""

from __future__ import annotations

import html
import math
from functools import partial
from importlib import resources
from typing import Any

import jinja2
from bokeh.core.templates import FILE
from bokeh.document import Document
from bokeh.models import (
    Button,
    ColumnDataSource,
    CustomJS,
    CustomJSTickFormatter,
    Div,
    RadioButtonGroup,
    Select,
    Slider,
)

from rfscore.errors import InputError
from rfscore.explorer.answers import Piece
from rfscore.explorer.pictures import BULKS, Pictures
from rfscore.explorer.state import ACTIVATIONS, State, read
from rfscore.explorer.worker import Worker
from rfscore.report import page
from rfscore.report.numbers import num

_POWERS = 10  # m = 1, 2, 4, ... 2^9; the last stop is the average
_NO_RIDGE = -7.0  # the left end of the slider means none
_WRAPPED = "white-space: pre-wrap; overflow-wrap: anywhere; margin: 0"
_FORMAT = {
    "power": "return Number((10 ** tick).toPrecision(3)).toString()",
    "ridge": f"return tick <= {_NO_RIDGE} ? '0' : Number((10 ** tick).toPrecision(3)).toString()",
    "m": f"return tick >= {_POWERS} ? '∞ (averaged)' : (2 ** tick).toString()",
    "plain": "return tick.toFixed(2)",
}


def _slider(title: str, start: float, end: float, value: float, step: float, shown: str) -> Slider:
    value = min(max(value, start), end)
    return Slider(title=title, start=start, end=end, value=value, step=step, sizing_mode="stretch_width",
                  format=CustomJSTickFormatter(code=_FORMAT[shown]))  # fmt: skip


class Page:
    """One open page: its knobs, its pictures, its worker."""

    def __init__(self, document: Document, state: State, remark: str = "") -> None:
        self.document = document
        self.knobs = self._knobs(state)
        self.state = self._read()  # what the knobs show is what is computed
        if self.state != state:
            remark += f"The sliders have no such stop ({state.query()}): the nearest is shown. "
        self.pictures = Pictures()
        self.rate = ColumnDataSource({"rate": [0.0]})
        self.pictures.link(self.rate)
        self.messages: dict[str, str] = {"link": remark}
        self.says = Div(sizing_mode="stretch_width", stylesheets=[page.CSS])
        self.table = Div(sizing_mode="stretch_width", stylesheets=[page.CSS, "td:first-child { white-space: normal; }"])
        self.code = Div(sizing_mode="stretch_width", stylesheets=[page.CSS])
        self.kept = ColumnDataSource(name="kept", data={"query": [""], "python": [""], "answer": [""]})
        self.dimension = Select(title="d of the network", value="30", options=["15", "30", "50"], width=120)
        self.worker = Worker(self._from_worker)
        self._lay_out()
        for name, knob in self.knobs.items():
            knob.on_change("active" if name == "activation" else "value", self._turned)
        document.on_session_destroyed(lambda context: self.worker.close())
        self._ask()

    def _knobs(self, s: State) -> dict[str, Any]:
        m = _POWERS if math.isinf(s.m) else round(math.log2(s.m))
        return {
            "psi_n": _slider("psi_n = n/d", -1, 3, math.log10(s.psi_n), 0.02, "power"),
            "psi_p": _slider("psi_p = p/d", -1, 3, math.log10(s.psi_p), 0.02, "power"),
            "t": _slider("diffusion time t", -3, 0.5, math.log10(s.t), 0.02, "power"),
            "m": _slider("m, noises per sample", 0, _POWERS, m, 1, "m"),
            "ridge": _slider("ridge", _NO_RIDGE, 1, math.log10(s.ridge) if s.ridge else _NO_RIDGE, 0.1, "ridge"),
            "spread": _slider("two variances, 1 ± this", 0, 0.95, s.spread, 0.05, "plain"),
            "activation": RadioButtonGroup(labels=list(ACTIVATIONS), active=ACTIVATIONS.index(s.activation)),
        }

    def _read(self) -> State:
        k = self.knobs
        m = k["m"].value
        return State(
            psi_n=float(f"{10 ** k['psi_n'].value:.6g}"), psi_p=float(f"{10 ** k['psi_p'].value:.6g}"),
            t=float(f"{10 ** k['t'].value:.6g}"), m=math.inf if m >= _POWERS else float(2**m),
            ridge=0.0 if k["ridge"].value <= _NO_RIDGE else float(f"{10 ** k['ridge'].value:.6g}"),
            activation=ACTIVATIONS[k["activation"].active], spread=round(k["spread"].value, 3),
        )  # fmt: skip

    def _turned(self, attr: str, old: Any, new: Any) -> None:
        del attr, old, new
        self.state, self.messages = self._read(), {}
        self._ask()

    def _ask(self) -> None:
        python = self.state.python()
        self.code.text = f"<pre tabindex=0 style='{_WRAPPED}'>{html.escape(python)}</pre>"
        self.kept.data = {"query": [self.state.query()], "python": [python], "answer": [""]}
        self.worker.ask(self.state)

    def _from_worker(self, state: State, name: str, piece: Piece) -> None:
        self.document.add_next_tick_callback(partial(self._show, state, name, piece))

    def _show(self, state: State, name: str, piece: Piece) -> None:
        """Put a piece into the page, unless the knobs have moved on; one that was refused clears its picture."""
        if state != self.state:
            return
        self.messages[name] = piece.message
        self.document.hold("combine")  # one message to the browser, one redraw
        try:
            self._put(name, piece)
        finally:
            self.document.unhold()
        self.kept.patch({"answer": [(0, f"{state.query()}|{name}")]})

    def _put(self, name: str, piece: Piece) -> None:
        if name == "losses":
            self.pictures.show_losses(piece.columns)
        elif name == "spectrum":
            self.pictures.show_spectrum(piece.columns, piece.numbers)
        elif name == "times":
            self.pictures.show_times(piece.numbers)
            self.rate.data = {"rate": [piece.numbers.get("rate", 0.0)]}
            self._tell_times(piece.numbers)
        elif name == "bulks":
            self.pictures.show_bulks(piece.columns)
        else:
            self.pictures.show_network(piece.columns)
        told = dict.fromkeys(filter(None, self.messages.values()))
        self.says.text = "".join(f'<p class="key" role="status">{page.inline(x)}</p>' for x in told)

    def _tell_times(self, numbers: dict[str, float]) -> None:
        words = {"tau_gen_scale": "1/Delta_t", "tau_opt": "best stopping: the test loss is lowest",
                 "tau_mem_edge": "scale of the sample bulk, the paper's tau_mem", "tau_half": "half of the final gap",
                 "tau_last_edge": "scale of the lowest bulk"}  # fmt: skip
        cells = ((n, page.inline(num(numbers.get(n, math.nan))), w) for n, w in words.items())
        rows = "".join(f"<tr><td>{n}<br><small>{w}</small></td><td>{x}</td></tr>" for n, x, w in cells)
        self.table.text = f"<table><tbody>{rows}</tbody></table>"

    def _lay_out(self) -> None:
        script = resources.files("rfscore.explorer").joinpath("explorer.js").read_text(encoding="utf-8")
        figures = {
            "spectrum": self.pictures.spectrum,
            "losses": self.pictures.losses,
            "bulks": self.pictures.contributions,
        }
        tables = {"losses": self.pictures.source["losses"], "part of the test loss by bulk": self.pictures.bulk_source,
                  **{f"spectrum, {name}": self.pictures.source[name] for name in BULKS},
                  "network": self.pictures.source["network"]}  # fmt: skip
        args = {"kept": self.kept, "tables": tables, **{f"fig_{name}": f for name, f in figures.items()}}
        buttons = {
            "network": Button(label="Draw a finite network on top", button_type="primary"),
            **{name: Button(label=label) for name, label in {"lines": "Copy the Python lines", "link": "Copy the link",
               "png": "Save pictures (png)", "csv": "Save numbers (csv)"}.items()},
        }  # fmt: skip
        buttons["network"].on_click(lambda: self.worker.draw(int(self.dimension.value), 0))
        for name in ("lines", "link", "png", "csv"):
            buttons[name].js_on_click(CustomJS(args=args, code=f"const what = '{name}';\n{script}"))
        self.kept.js_on_change("data", CustomJS(args=args, code=f"const what = 'address';\n{script}"))
        roots = {**self.knobs, **{f"button_{k}": b for k, b in buttons.items()}, "dimension": self.dimension,
                 "says": self.says, "times": self.table, "code": self.code,
                 **{f"fig_{k}": f for k, f in figures.items()}}  # fmt: skip
        for name, model in roots.items():
            model.name = name
            self.document.add_root(model)
        self.document.title = "rfscore explorer"
        source = resources.files("rfscore.explorer").joinpath("template.html").read_text(encoding="utf-8")
        self.document.template = jinja2.Environment(autoescape=False).from_string(source)
        self.document.template_variables.update(css=page.CSS, base=FILE, knobs=list(self.knobs))


def open_page(document: Document) -> None:
    """What Bokeh calls for every page that is opened; the state is in the link."""
    context = document.session_context
    given = context.request.arguments if context and context.request else {}
    words = {k: v[-1].decode() for k, v in given.items() if not k.startswith("bokeh")}
    try:
        state, remark = read(words), ""
        state.problem()
    except InputError as error:
        state, remark = State(), f"The link was not understood, so these are the usual values: {error}. "
    Page(document, state, remark)
