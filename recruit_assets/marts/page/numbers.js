// Numbers for reading, as `charts.number` and the report's SQL write them; and what is counted of rows.

const NONE = '–'
const NAMES = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** Return a number with decimals; a tie goes to the even digit, as in Python and SQL. */
function fixed(value, digits = 0) {
  const size = Math.abs(value)
  let shown = size.toFixed(digits)
  const isTie = digits ? size * 4 % 2 === 1 : size * 2 % 2 === 1
  if (isTie && Number(shown.at(-1)) % 2) shown = (shown - 10 ** -digits).toFixed(digits)
  const [whole, decimals] = shown.split('.')
  const sign = value < 0 ? '-' : ''
  return sign + whole.replace(/\B(?=(\d{3})+$)/g, ',') + (decimals ? `.${decimals}` : '')
}

const signed = value => (value < 0 ? '' : '+') + fixed(value)

/** Return a number; one decimal below ten, if it has one. */
function number(value) {
  if (value === null) return NONE
  return fixed(value, Math.abs(value) < 10 && value % 1 ? 1 : 0)
}

const counted = (value, noun) => `${fixed(value)} ${noun}${value === 1 ? '' : 's'}`

const percent = (value, digits = 0) => value === null ? null : `${fixed(100 * value, digits)}%`

/** Return the name of a month, as in `Mar 2026`; months are counted from year 0. */
const monthName = month => `${NAMES[month % 12]} ${String(Math.floor(month / 12)).padStart(4, '0')}`

/** Return the first characters of a text, as SQL does. */
const left = (text, length) => [...text].slice(0, length).join('')

/** Return a text that is cut to this many characters. */
function cut(text, length) {
  const letters = [...text]
  return letters.length > length ? `${letters.slice(0, length - 1).join('').trimEnd()}…` : text
}

/** Return a quantile as DuckDB's `quantile_cont`; null without values. */
function quantile(values, share) {
  if (!values.length) return null
  const sorted = Float64Array.from(values).sort()
  const place = share * (sorted.length - 1)
  const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]]
  return below * (1 - place % 1) + above * (place % 1)
}

const median = values => quantile(values, 0.5)

/** Return the days of the durations that are known, which are stored with one more millisecond. */
const days = durations => durations.filter(each => each).map(each => (each - 1) / 86_400_000)

const ratio = (part, whole) => part !== null && whole > 0 ? part / whole : null

/** Return a figure if the stages of nearly all of the applications are known. */
const ifKnown = (figure, unknown, applications) => unknown <= 0.01 * applications ? figure : null

/** Return the rows of each key. */
function grouped(rows, key) {
  const found = new Map()
  for (const row of rows) {
    const name = key(row)
    if (found.has(name)) found.get(name).push(row)
    else found.set(name, [row])
  }
  return found
}

/** Return items in order of their first keys, then of the next; what is not known comes last. */
function inOrder(items, ...keys) {
  return [...items].sort((one, other) => {
    for (const key of keys) {
      const [a, b] = [key(one), key(other)]
      if (a === b) continue
      if (a === null) return 1
      return b === null || a < b ? -1 : 1
    }
    return 0
  })
}
