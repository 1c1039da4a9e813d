// What the page does beyond being read: it is whole without this.
"use strict"
const all = (selector, within = document) => [...within.querySelectorAll(selector)]
const made = (tag, properties) => Object.assign(document.createElement(tag), properties)
const target = (link) => link.getAttribute("xlink:href") ?? link.getAttribute("href")

// ---- show and hide arms, in tables and figures
const arms = new Map(all("table.arms tr[data-arm]").map((row) => [row.dataset.arm, row]))
const hidden = new Set()
function filtered() {
  for (const node of all("[data-arm]:not(.arms tr)")) {
    const off = hidden.has(node.dataset.arm)
    if (node instanceof SVGElement) node.classList.toggle("off", off)
    else node.hidden = off
  }
}
if (arms.size > 1) {
  const bar = made("div", { className: "filter" })
  bar.setAttribute("role", "group")
  bar.setAttribute("aria-label", "Arms shown")
  for (const [arm, row] of arms) {
    const button = made("button", { type: "button" })
    button.append(row.querySelector(".swatch").cloneNode(), arm)
    button.setAttribute("aria-pressed", "true")
    button.onclick = () => {
      const shown = hidden.delete(arm) || !hidden.add(arm)
      button.setAttribute("aria-pressed", String(shown))
      filtered()
    }
    bar.append(button)
  }
  document.querySelector("nav").after(bar)
}

// ---- sort a table by a column, in each of its bodies
function value(row, column) {
  const text = row.cells[column]?.textContent.trim().replace("<", "").replaceAll(",", "") ?? ""
  const number = parseFloat(text.replace("−", "-").replace("[", ""))
  return Number.isNaN(number) ? text : number
}
function compared(a, b) {
  if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0
  return typeof a === "number" ? -1 : 1 // what has no number comes last
}
for (const head of all("table.sort thead th")) {
  const button = made("button", { type: "button", title: "sort" })
  button.append(...head.childNodes)
  head.append(button)
  button.onclick = () => {
    const up = head.ariaSort !== "ascending"
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort")
    head.setAttribute("aria-sort", up ? "ascending" : "descending")
    for (const body of head.closest("table").tBodies) {
      const rows = [...body.rows].filter((row) => !row.matches(".group"))
      const key = new Map(rows.map((row) => [row, value(row, head.cellIndex)]))
      rows.sort((a, b) => (up ? 1 : -1) * compared(key.get(a), key.get(b)))
      body.append(...rows)
    }
  }
}

// ---- hover a point: its words at once, and the same run everywhere
const tip = made("div", { id: "tip", hidden: true })
tip.setAttribute("aria-hidden", "true")
document.body.append(tip)
const links = all("figure svg a")
const pictures = new Map() // of a run, by the figure that shows them
for (const link of links) {
  const title = link.querySelector("title")
  if (!title) continue
  link.setAttribute("role", "link")
  link.setAttribute("aria-label", title.textContent)
  title.remove() // the browser would show it a second time
  if (link.querySelector("image") && !link.closest("#maps")) { // those are in the gallery too
    const of = pictures.get(target(link)) ?? pictures.set(target(link), new Map()).get(target(link))
    const words = link.closest("figure").querySelector("figcaption b").textContent
    of.set(words, [...(of.get(words) ?? []), link.querySelector("image").getAttribute("xlink:href")])
  }
}
const lit = (link, on) => {
  for (const each of links) if (target(each) === target(link)) each.classList.toggle("lit", on)
  tip.hidden = !on
}
document.addEventListener("pointerover", (event) => {
  const link = event.target.closest?.("figure svg a[aria-label]")
  if (!link) return
  tip.textContent = link.getAttribute("aria-label")
  lit(link, true)
  const place = link.getBoundingClientRect()
  tip.style.left = `${Math.max(8, Math.min(place.left, innerWidth - tip.offsetWidth - 8))}px`
  const above = place.top - tip.offsetHeight - 6
  tip.style.top = `${above > 0 ? above : place.bottom + 6}px`
})
document.addEventListener("pointerout", (event) => {
  const link = event.target.closest?.("figure svg a[aria-label]")
  if (link) lit(link, false)
})

// ---- click a point or a run: all of its maps that the page holds
function show(run, words) {
  const dialog = made("dialog", {})
  const close = made("form", { method: "dialog" })
  close.append(made("button", { textContent: "Close" }))
  const [title, rest] = words.split(": ")
  const name = made("h2", { id: "run-shown", textContent: title })
  dialog.setAttribute("aria-labelledby", name.id)
  dialog.append(close, name, made("p", { className: "note", textContent: rest }))
  for (const [figure, images] of pictures.get(run)) {
    dialog.append(made("h3", { textContent: figure }))
    for (const src of images) dialog.append(made("img", { src, alt: "map of this run" }))
  }
  const row = made("a", { href: run, textContent: "Its row in the table of runs" })
  row.onclick = () => dialog.close()
  const last = made("p", {})
  last.append(row)
  dialog.append(last)
  dialog.onclose = () => dialog.remove()
  document.body.append(dialog)
  dialog.showModal()
}
for (const link of links) {
  if (!pictures.has(target(link))) continue
  link.addEventListener("click", (event) => {
    event.preventDefault()
    show(target(link), link.getAttribute("aria-label"))
  })
}
for (const row of all("#runs tr[id]")) {
  const run = `#${row.id}`
  if (!pictures.has(run)) continue
  const words = links.find((link) => target(link) === run).getAttribute("aria-label")
  const button = made("button", { type: "button", className: "maps", textContent: "maps" })
  button.setAttribute("aria-label", `maps of ${words}`)
  button.onclick = () => show(run, words)
  row.cells[0].append(button)
}

// ---- print what is folded too
addEventListener("beforeprint", () => all("details").forEach((each) => (each.open = true)))
