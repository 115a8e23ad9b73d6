// The rows that pass a filter, each kind by the month that counts for it.

/** Add to the tables what their numbers stand for: the row, job and source of each, and ids. */
function completeTables(data) {
  const { applications, offers, scores, stuck } = data.tables
  const nobody = data.jobs.id.indexOf(null)
  const nowhere = data.sources.findIndex(([type, site]) => type === null && site === null)
  for (const table of [offers, scores, stuck]) {
    table.application = summed(table.application).map(row => row - 1) // -1: none that is known
    table.job = table.application.map(row => row < 0 ? nobody : applications.job[row])
    table.source = table.application.map(row => row < 0 ? nowhere : applications.source[row])
  }
  for (const name of ['application', 'candidate']) {
    const steps = applications[name]
    if (steps) applications[name] = [...summed(steps)].map(id => id ? String(id) : null)
    else applications[name] = data[name]
  }
}

/**
 * Return a function for the rows of a table that pass a filter, by the months of a column.
 *
 * A filter has `since` and `until`, a month after the last, unless all months pass; and `department`,
 * `job`, `type` and `site`, codes that are undefined if all of them pass.
 */
function passing(data, filter) {
  const jobs = data.jobs.department.map((department, job) =>
    (filter.department === undefined || department === filter.department) &&
    (filter.job === undefined || job === filter.job))
  const sources = data.sources.map(([type], code) =>
    (filter.type === undefined || type === filter.type) &&
    (filter.site === undefined || code === filter.site))
  return (table, column) => {
    const months = column && filter.since !== undefined ? table[column] : undefined
    const found = []
    for (let row = 0; row < table.rows; row++) {
      if (!jobs[table.job[row]] || !sources[table.source[row]]) continue
      if (months && !(months[row] >= filter.since && months[row] < filter.until)) continue
      found.push(row)
    }
    return found
  }
}
