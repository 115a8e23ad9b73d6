// Charts as SVG, drawn as `charts.py` draws them. Every text goes in as text, never as markup.

const [WIDTH, BAR, TALL, SPACE, RIGHT, BOTTOM, LETTER] = [440, 30, 210, 8, 72, 180, 8]
const [INK, QUIET, LINE, ACCENT, CARD] =
  ['--ink', '--quiet', '--line', '--accent', '--card'].map(name => `var(${name})`)
const FEW = 5 // a month of fewer is drawn hollow

/** Return an element of a drawing. */
function shape(name, attributes, text) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  if (text !== undefined) made.textContent = text
  return made
}

/** Return a text whose middle is at `y`. */
const label = (x, y, text, anchor = 'start', fill = INK) =>
  shape('text', { x: x.toFixed(1), y: (y + 4.5).toFixed(1), 'text-anchor': anchor, fill }, text)

const ofN = row => row.n === undefined ? '' : ` (n = ${fixed(row.n)})`
const nameOf = row => row.month === undefined ? cut(row.label || '(blank)', 60) : monthName(row.month)

/** Return a chart in words, for those who do not see it. */
function chartInWords(title, rows) {
  return `${title}: ${rows.map(row => `${nameOf(row)} ${number(row.value)}${ofN(row)}`).join(', ')}.`
}

/** Return the drawing of a chart: a line over months, else bars. */
function drawing(rows) {
  const overMonths = rows[0].month !== undefined
  const height = overMonths ? TALL : rows.length * BAR
  const svg = shape('svg', {
    'aria-hidden': 'true', width: WIDTH, height, viewBox: `0 0 ${WIDTH} ${height}`, 'font-size': 13,
    'font-family': "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
  })
  svg.append(...(overMonths ? monthsOf(rows) : barsOf(rows)))
  return svg
}

/** Return a bar for each row, with its number at its end. */
function barsOf(rows) {
  const names = rows.map(row => cut(nameOf(row), 22))
  const left = LETTER * Math.max(...names.map(name => name.length)) + SPACE
  const most = Math.max(...rows.map(row => row.value)) || 1
  return rows.flatMap((row, place) => {
    const middle = place * BAR + BAR / 2
    const width = (WIDTH - left - RIGHT) * Math.max(row.value, 0) / most
    return [
      label(left - SPACE, middle, names[place], 'end'),
      ...(width ? [shape('rect', { x: left, y: middle - 9, width: width.toFixed(1), height: 18, rx: 3, fill: ACCENT })] : []),
      label(left + width + 6, middle, number(row.value) + ofN(row)),
    ]
  })
}

/** Return a line over months; a point of few is hollow, and a month that is missing is a gap. */
function monthsOf(rows) {
  const values = rows.map(row => row.value)
  const { marks, digits } = numberMarks(Math.min(0, ...values), Math.max(0, ...values))
  const shown = marks.map(mark => fixed(mark, digits))
  const left = LETTER * Math.max(...shown.map(text => text.length)) + SPACE
  const [first, last] = [rows[0].month, rows.at(-1).month]
  const across = month => left + (WIDTH - left - RIGHT) * (month - first) / (last - first || 1)
  const down = value => BOTTOM - (BOTTOM - SPACE) * (value - marks[0]) / (marks.at(-1) - marks[0])
  const parts = []
  marks.forEach((mark, place) => {
    parts.push(shape('line', { x1: left, x2: WIDTH - RIGHT, y1: down(mark), y2: down(mark), stroke: LINE }))
    parts.push(label(left - SPACE, down(mark), shown[place], 'end', QUIET))
  })
  for (const month of monthMarks(first, last)) {
    const [name, year] = monthName(month).split(' ')
    parts.push(label(Math.max(across(month), left + 20), TALL - 10, `${name} ${year.slice(2)}`, 'middle', QUIET))
  }
  rows.slice(1).forEach((row, place) => {
    const before = rows[place]
    if (row.month !== before.month + 1) return
    parts.push(shape('line', {
      x1: across(before.month), y1: down(before.value), x2: across(row.month), y2: down(row.value),
      stroke: ACCENT, 'stroke-width': 2.5, 'stroke-linecap': 'round',
    }))
  })
  for (const { month, value, n = FEW } of rows) {
    parts.push(shape('circle', {
      cx: across(month), cy: down(value), r: 3, fill: n < FEW ? CARD : ACCENT, stroke: ACCENT, 'stroke-width': 2,
    }))
  }
  const end = rows.at(-1)
  parts.push(label(across(last) + SPACE, down(end.value), number(end.value)))
  if (end.n !== undefined) parts.push(label(across(last) + SPACE, down(end.value) + 16, `n = ${fixed(end.n)}`, 'start', QUIET))
  return parts
}

/** Return at least two marks of an axis that includes two numbers, and their decimals. */
function numberMarks(low, high) {
  const smallest = (high - low) / 4 || 1
  const unit = 10 ** Math.floor(Math.log10(smallest))
  const step = [1, 2, 5, 10].map(each => each * unit).find(each => each >= smallest)
  const [start, end] = [Math.floor(low / step), Math.ceil(high / step)]
  const marks = Array.from({ length: Math.max(end - start, 1) + 1 }, (_, place) => (start + place) * step)
  return { marks, digits: Math.max(0, -Math.floor(Math.log10(step))) }
}

/** Return at most four months to mark on an axis. */
function monthMarks(first, last) {
  const months = Array.from({ length: last - first + 1 }, (_, place) => first + place)
  const step = [1, 2, 3, 6, 12].find(each => months.length <= 4 * each) ?? 12 * Math.ceil(months.length / 48)
  const marked = months.filter(month => month % step === 0)
  return marked.length ? marked : months.slice(0, 1)
}
