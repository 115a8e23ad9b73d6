// What all answers share: how rows are counted, and shown as cells.
//
// A cell is a text or a number, or has both its `value` and the `rows` of applications behind it.

const TOP = 15 // rows of a table
const BARS = 8
const MONTHS = 24
const TOO_FEW = 3 // a month of fewer is not drawn
const [ACTIVE, HIRED, REJECTED, GONE, UNKNOWN] = [0, 1, 2, 3, 4] // as in `carried.py`
const [ACCEPTED, DECLINED, WITHDRAWN, EXPIRED, OPEN] = [0, 1, 2, 3, 4] // likewise

/** Return functions that count rows of the page's tables. */
function countingOf(data) {
  const { applications } = data.tables
  const departmentOf = (table, row) => data.departments[data.jobs.department[table.job[row]]]
  const is = outcome => row => applications.outcome[row] === outcome
  const cellOf = rows => ({ value: rows.length, rows })
  const cellIf = (isKnown, rows) => isKnown ? cellOf(rows) : null
  const count = (rows, test) => cellOf(rows.filter(test))
  const isKnown = rows => ifKnown(true, rows.filter(is(UNKNOWN)).length, rows.length) !== null
  const valueOf = cell => cell?.value ?? null
  const least = cell => cell === null ? null : -cell.value // puts the most first

  /** Return the rows of a table by department, made and ordered by functions. */
  function byDepartment(table, rows, order, make) {
    const found = [...grouped(rows, row => departmentOf(table, row))]
    return inOrder(
      found.map(([department, its]) => ({ Department: department, ...make(its) })),
      row => least(row[order]), row => row.Department,
    ).slice(0, TOP)
  }

  return { departmentOf, is, cellOf, cellIf, count, isKnown, valueOf, byDepartment }
}

/** Return the net promoter score, which five answers are needed for. */
function promoterScore(found) {
  if (found.length < 5) return null
  const [promoters, detractors] = [found.filter(score => score >= 9), found.filter(score => score < 7)]
  return 100 * (promoters.length - detractors.length) / found.length
}

/** Return the last months that are drawn, without those of too few. */
function lastMonths(rows) {
  return rows.filter(({ n = TOO_FEW }) => n >= TOO_FEW).slice(-MONTHS)
}
