// The filters: what can be chosen, and what is. Months are counted from year 0.

const YEARS = 20 // that can be chosen from, month by month

/** Return the periods to choose from by name: from a month to the one after the last. */
function periodsOf({ now, since }) {
  return {
    'Last 12 whole months': [now - 12, now],
    'Last 3 whole months': [now - 3, now],
    'This quarter so far': [now - now % 3, now + 1],
    'Last quarter': [now - now % 3 - 3, now - now % 3],
    'This year so far': [now - now % 12, now + 1],
    'Last year': [now - now % 12 - 12, now - now % 12],
    ...(since ? { 'All months on this page': [since, now + 1] } : { 'All time': [] }),
    'Other months': [],
  }
}

/** Return a period in words. */
function periodInWords({ since, until }) {
  if (since === undefined) return 'All time'
  return since + 1 === until ? monthName(since) : `${monthName(since)} to ${monthName(until - 1)}`
}

/** Put names into a list to choose from, by value; the first stands for all. */
function offer(select, names, all) {
  const options = names.map(([value, name]) => new Option(name, value))
  select.replaceChildren(...(all ? [new Option(all, '')] : []), ...options)
}

/** Fill the form, and return functions that read it, say it, and follow a change of it. */
function filtersOf(data, form) {
  const chosen = form.elements
  const periods = periodsOf(data)
  const types = [...new Set(data.sources.map(([type]) => type))]
  const first = Math.max(data.since || data.first, data.now - 12 * YEARS)
  const months = Array.from({ length: data.now - first + 1 }, (_, place) => data.now - place)
  const sites = data.sources.map(([type, site], code) => [`site ${code}`, site, type])
  offer(chosen.period, Object.keys(periods).map(name => [name, name]))
  offer(chosen.from, months.map(month => [month, monthName(month)]))
  offer(chosen.to, months.map(month => [month, monthName(month)]))
  offer(chosen.department, data.departments.map((name, code) => [code, name]), 'All departments')
  offer(chosen.source, [
    ...types.map((type, place) => [`type ${place}`, type ?? 'not known']),
    ...sites.filter(([, site]) => site !== null).map(([value, site, type]) => [value, `${site} (${type ?? 'not known'})`]),
  ], 'All sources')

  const code = name => chosen[name].value === '' ? undefined : Number(chosen[name].value)
  const isOther = () => chosen.period.value === 'Other months'

  /** Return the filter that is chosen, as `passing` takes it. */
  function read() {
    const [kind, place] = chosen.source.value.split(' ')
    const months = [code('from'), code('to')]
    const [since, until] = isOther() ? [Math.min(...months), Math.max(...months) + 1] : periods[chosen.period.value]
    return {
      since, until,
      department: code('department'),
      job: code('job'),
      type: kind === 'type' ? types[place] : undefined,
      site: kind === 'site' ? Number(place) : undefined,
    }
  }

  /** Return what is chosen in words. */
  function say() {
    const names = ['department', 'source', 'job'].map(name => chosen[name].selectedOptions[0].textContent)
    return [periodInWords(read()), ...names].join(' · ')
  }

  /** Offer the jobs of the chosen department, and single months if they are asked for. */
  function follow(changed) {
    for (const name of ['from', 'to']) chosen[name].closest('label').hidden = !isOther()
    if (changed && changed !== chosen.department) return
    const jobs = data.jobs.title.map((title, job) => [job, `${title} (${data.jobs.id[job]})`])
    const department = code('department')
    const offered = jobs.filter(([job]) =>
      data.jobs.id[job] !== null && (department === undefined || data.jobs.department[job] === department))
    offer(chosen.job, inOrder(offered, ([, name]) => name), 'All jobs')
  }

  follow()
  return { read, say, follow }
}
