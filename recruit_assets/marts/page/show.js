// Puts answers into the page: sentences, charts and tables, and the rows behind a number as a file.

/** Return an element with properties and children; children that are texts stay texts. */
function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties)
  made.append(...children)
  return made
}

const isWordy = value => typeof value === 'string' && /\p{L}/u.test(value)
const shownValue = value => typeof value === 'string' ? value : number(value)

/** Return an answer as nodes; `section` says how it is shown, and what there is if it is empty. */
function answerNodes(section, answer, behind) {
  if (answer.sentence === null) return [element('p', { className: 'nothing' }, section.dataset.none)]
  const shown = element('div', { className: 'shown' })
  if (answer.chart.length) {
    const title = section.dataset.chart
    const figure = element('figure', {}, element('figcaption', { ariaHidden: 'true' }, title), drawing(answer.chart))
    figure.setAttribute('role', 'img')
    figure.setAttribute('aria-label', chartInWords(title, answer.chart))
    shown.append(figure)
  }
  if (answer.table.length) {
    const numbers = [tableNode(answer.table, section.querySelector('h2').textContent, behind)]
    if (answer.note) numbers.push(element('p', { className: 'note quiet' }, answer.note))
    const open = section.querySelector('details')?.open ?? false
    shown.append(section.classList.contains('wide')
      ? element('div', {}, ...numbers)
      : element('details', { open }, element('summary', {}, 'Show the numbers'), ...numbers))
  }
  return [element('p', {}, answer.sentence), shown]
}

/** Return a table in a region that can be scrolled. */
function tableNode(rows, name, behind) {
  const columns = Object.keys(rows[0])
  const texts = columns.filter(column => rows.some(row => isWordy(row[column]?.value ?? row[column])))
  const look = column => texts.includes(column) ? 'text' : ''
  const head = columns.map(column => element('th', { scope: 'col', className: look(column) }, column))
  const body = rows.map(row => element('tr', {}, ...columns.map((column, place) => {
    const cell = row[column]
    const value = cell?.value ?? (cell?.rows ? null : cell)
    const about = `${column}, ${shownValue(row[columns[0]]?.value ?? row[columns[0]])}`
    const shown = cell?.rows?.length || cell?.of !== undefined ? behind(cell, about) : shownValue(value)
    if (!place) return element('th', { scope: 'row' }, shown)
    return element('td', { className: look(column) }, shown)
  })))
  const table = element('table', {}, element('thead', {}, element('tr', {}, ...head)), element('tbody', {}, ...body))
  const region = element('div', { className: 'scroll', tabIndex: 0 }, table)
  region.setAttribute('role', 'region')
  region.setAttribute('aria-label', name)
  return region
}

/** Return a maker of what is shown of a number: a button that saves the ids behind it as CSV. */
function rowsBehind(data) {
  const { applications } = data.tables
  const linkOf = row => data.link && applications.candidate[row] ? data.link + encodeURIComponent(applications.candidate[row]) : ''
  const lineOf = row => [applications.application[row], applications.candidate[row], data.jobs.id[applications.job[row]], linkOf(row)]
  return (cell, about) => {
    if (cell.of !== undefined) { // a single application
      const link = linkOf(cell.of)
      return link ? element('a', { href: link, rel: 'noreferrer' }, cell.value) : cell.value
    }
    const button = element('button', { type: 'button', className: 'rows' }, shownValue(cell.value))
    button.setAttribute('aria-label', `${shownValue(cell.value)}: save the ids behind ${about} as CSV`)
    button.title = 'Save the ids behind this number as CSV'
    button.addEventListener('click', () => {
      const rows = [...new Set(cell.rows)].filter(row => row >= 0)
      save(`${about}.csv`, [['application_id', 'candidate_id', 'job_id', 'link'], ...rows.map(lineOf)])
    })
    return button
  }
}

/** Save lines as a file of CSV, in which no spreadsheet finds a formula. */
function save(name, lines) {
  const safe = cell => `"${String(cell ?? '').replace(/^(?=[=+\-@＝＋－＠])/, "'").replaceAll('"', '""')}"`
  const text = lines.map(line => line.map(safe).join(',')).join('\r\n')
  const url = URL.createObjectURL(new Blob([`${text}\r\n`], { type: 'text/csv' }))
  element('a', { href: url, download: name.replace(/[^\p{L}\p{N} .-]+/gu, ' ').trim() }).click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}
