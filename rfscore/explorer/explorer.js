// What buttons do without asking the server; `what` says which. No library but Bokeh's own.
const said = (words) => { document.getElementById("said").textContent = words; };
const save = (blob, name) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 5000);
};
const copy = async (text, words) => {
  try {
    await navigator.clipboard.writeText(text);
    said(words);
  } catch (error) {
    said("The browser does not allow copying; here it is: " + text);
  }
};
const address = () => location.pathname + (kept.data.query[0] ? "?" + kept.data.query[0] : "");
if (what === "address") {
  if (location.pathname + location.search !== address()) history.replaceState(null, "", address());
} else if (what === "lines") {
  copy(kept.data.python[0], "The Python lines are in the clipboard.");
} else if (what === "link") {
  copy(location.origin + address(), "The link is in the clipboard; `rfscore explore --at LINK` opens it after a new start, too.");
} else if (what === "png") {
  for (const figure of [fig_losses, fig_spectrum, fig_bulks]) {
    const layer = Bokeh.index.find_one(figure).export("png", true);
    layer.canvas.toBlob((blob) => save(blob, "rfscore-" + figure.name.replace("fig_", "") + ".png"));
  }
  said("Three pictures saved.");
} else if (what === "csv") {
  const table = (name, source) => {
    const names = Object.keys(source.data);
    const rows = Array.from(source.data[names[0]], (_, i) => names.map((k) => source.data[k][i]).join(","));
    return `# ${name}\n${names.join(",")}\n${rows.join("\n")}\n`;
  };
  const text = "# rfscore explorer: " + (kept.data.query[0] || "usual values") + "\n" +
    Object.entries(tables).map(([name, source]) => table(name, source)).join("\n");
  save(new Blob([text], { type: "text/csv" }), "rfscore-explorer.csv");
  said("Numbers saved.");
}
