"""Nothing that came from outside reaches a Markdown sink or raw HTML: the console's source is read and refused.

A sink takes a literal, `escape(…)`, a call that returns words of our own, or an f-string of those.
"""

import ast
from pathlib import Path

import pytest

import console

CONSOLE = Path(console.__file__).parent
FILES = sorted(CONSOLE.rglob("*.py"))
PAGES = [f for f in FILES if f.parent.name in ("app_pages", "widgets") or f.name in ("app.py", "launch.py")]

# Streamlit's elements that render Markdown in their first argument (or `label`, `body`, `text`).
SINKS = {
    "badge", "button", "caption", "checkbox", "chat_input", "date_input", "divider", "download_button", "error",
    "expander", "feedback", "file_uploader", "form_submit_button", "header", "info", "link_button", "markdown",
    "metric", "multiselect", "number_input", "page_link", "pills", "popover", "progress", "radio", "segmented_control",
    "select_slider", "selectbox", "slider", "spinner", "status", "subheader", "success", "table", "tabs", "text_area",
    "text_input", "time_input", "title", "toast", "toggle", "warning", "write",
}
MARKDOWN_KEYWORDS = {"label", "body", "text", "help", "caption", "captions"}
# Calls whose result holds no text from outside: escaped, or words, numbers and times of our own.
SAFE_CALLS = {"escape", "label", "markdown", "number", "span_text", "clock", "when", "exact", "len", "round", "heading"}

# Read by hand: the value is a literal of our own source, passed along. File, and the expression as written.
PASSED_ALONG = {
    ("widgets/links.py", "label"): "literals or text.escape, as its docstring asks; callers are checked below",
    ("widgets/status.py", "open_label"): "a literal of the page",
    ("widgets/release_panel.py", "label"): "literals of the calls above it",
    ("widgets/walk.py", "what"): "a literal of the page",
    ("widgets/rule_form.py", "label"): "literals of the form's own rows",
    ("widgets/decide.py", "choice.label"): "Choice is built from literals; callers are checked below",
    ("widgets/decide.py", "ask"): "a literal of the page",
    ("widgets/pickers.py", "label or name.capitalize()"): "literals of the page",
    ("widgets/chrome.py", "PERSONAS[actor.subject][0]"): "our own table of personas",
    ("app_pages/report.py", "form.upper()"): "the literal names of four file formats",
    ("launch.py", "incident"): "hexadecimal digits",
}
# Our own functions that hand a text on to a sink.
FORWARDERS = {("links", "to"): 1, ("links", "mlflow"): 0, ("decide", "Choice"): 0}


def parse(file):
    return ast.parse(file.read_text(), filename=str(file))


def is_safe(node, where):  # noqa: PLR0911 -- one line per kind of expression
    if node is None or isinstance(node, ast.Constant):
        return True
    if (where, ast.unparse(node)) in PASSED_ALONG:
        return True
    if isinstance(node, ast.JoinedStr):
        return all(is_safe(part, where) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        numeric = node.format_spec is not None and ast.unparse(node.format_spec).strip("f'\"")[-1:] in {*"dfge%,"}
        return numeric or is_safe(node.value, where)
    if isinstance(node, ast.Call):
        return name_of(node.func)[1] in SAFE_CALLS
    if isinstance(node, ast.IfExp):
        return is_safe(node.body, where) and is_safe(node.orelse, where)
    if isinstance(node, ast.BoolOp):
        return all(is_safe(value, where) for value in node.values)
    if isinstance(node, ast.BinOp):
        return is_safe(node.left, where) and is_safe(node.right, where)
    if isinstance(node, ast.List | ast.Tuple):
        return all(is_safe(value, where) for value in node.elts)
    return False


def name_of(func):
    if isinstance(func, ast.Attribute):
        return (func.value.id if isinstance(func.value, ast.Name) else "", func.attr)
    return ("", func.id if isinstance(func, ast.Name) else "")


def ours(tree):
    """Modules of ours, whose functions may have the same names; any other owner is taken for a place of Streamlit's."""
    return {"", "self"} | {
        alias.asname or alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("console") for alias in node.names
    }


def arguments(call, own):
    owner, name = name_of(call.func)
    if (owner, name) in FORWARDERS:
        place = FORWARDERS[owner, name]
        yield from call.args[place:place + 1]
        yield from (k.value for k in call.keywords if k.arg == "label")
    elif owner not in own and name in SINKS:
        yield from call.args[:0 if name == "page_link" else 1]
        yield from (k.value for k in call.keywords if k.arg in MARKDOWN_KEYWORDS)


def unsafe_sinks(tree, where):
    own = ours(tree)
    return [
        f"{where}:{call.lineno}: {ast.unparse(value)}"
        for call in ast.walk(tree) if isinstance(call, ast.Call)
        for value in arguments(call, own) if not is_safe(value, where)
    ]


@pytest.mark.parametrize("file", PAGES, ids=lambda f: str(f.relative_to(CONSOLE)))
def test_a_markdown_sink_takes_no_raw_data(file):
    where = str(file.relative_to(CONSOLE))
    assert unsafe_sinks(parse(file), where) == [], "wrap it in text.escape(…)"


def test_nothing_unsafe_is_switched_on():
    found = [
        f"{file}:{node.value.lineno}" for file in FILES for node in ast.walk(parse(file))
        if isinstance(node, ast.keyword) and (node.arg or "").startswith("unsafe_")
    ]
    assert found == []


def test_html_is_written_in_one_place():
    callers = {
        str(file.relative_to(CONSOLE)) for file in FILES for node in ast.walk(parse(file))
        if isinstance(node, ast.Call)
        and name_of(node.func) in {("st", "html"), ("components", "html"), ("st", "iframe")}
    }
    assert callers == {"widgets/html.py", "widgets/chrome.py"}  # the second draws the stylesheet, a file of ours


def test_html_is_built_and_never_declared():
    makers = {
        str(file.relative_to(CONSOLE)) for file in FILES for node in ast.walk(parse(file))
        if isinstance(node, ast.Call) and name_of(node.func)[1] == "Html"
    }
    assert makers == {"widgets/html.py"}


def test_nothing_is_unpickled():
    found = [
        file.name for file in FILES for node in ast.walk(parse(file))
        if isinstance(node, ast.Import | ast.ImportFrom) and "pickle" in ast.unparse(node)
    ]
    assert found == []


@pytest.mark.parametrize("line", [
    "st.error(str(error))", "st.markdown(f'run {run.name}')", "st.button('x', help=reason)", "links.to('drift', name)",
    "st.metric(feature, 1)", "left.checkbox(rule.name)", "st.tabs([a, b])", "st.write(value)",
])
def test_the_check_sees_raw_data(line):
    assert unsafe_sinks(ast.parse(line), "page.py") != []


@pytest.mark.parametrize("line", [
    "st.error('The store is locked')", "st.markdown(f'run {text.escape(run.name)}')", "st.metric('rows', f'{n:,}')",
    "st.button('x', help=text.escape(why) if why else None)", "links.to('drift', 'Open', model=name)", "st.text(name)",
])
def test_the_check_lets_escaped_and_literal_text_pass(line):
    assert unsafe_sinks(ast.parse(line), "page.py") == []
