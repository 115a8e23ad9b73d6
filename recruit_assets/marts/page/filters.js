// The filters of the page: from what is chosen to what is shown. Starts when the page is open.

const form = document.getElementById('filters')
const said = document.getElementById('said')

/** Return the periods to choose from by name: from a month to the one after the last. */
function periods(data) {
  const { now } = data
  const first = Math.max(data.since || data.first, now - 239)
  return {
    'Last 12 whole months': [now - 12, now],
    'Last 3 whole months': [now - 3, now],
    'This quarter so far': [now - now % 3, now + 1],
    'Last quarter': [now - now % 3 - 3, now - now % 3],
    'This year so far': [now - now % 12, now + 1],
    'Last year': [now - now % 12 - 12, now - now % 12],
    ...(data.since ? { 'All months on this page': [data.since, now + 1] } : { 'All time': [] }),
    'Other months': [first, now + 1],
  }
}

/** Put names into a list to choose from, by value; the first stands for all. */
function offer(select, names, all) {
  select.replaceChildren(...(all ? [new Option(all, '')] : []), ...names.map(([value, name]) => new Option(name, value)))
}

/** Return a period in words. */
function periodInWords({ since, until }) {
  if (since === undefined) return 'All time'
  return since + 1 === until ? monthName(since) : `${monthName(since)} to ${monthName(until - 1)}`
}

/** Return whether a number at the top may be compared with the months before a period. */
function isComparable(data, title, { since, until }) {
  const before = since - (until - since)
  const from = data.comparable[title]
  return since !== undefined && until <= data.now && from !== null && before >= Math.max(from, data.since)
}

async function start() {
  if (!globalThis.DecompressionStream) {
    said.textContent = 'This browser is too old to filter the report.'
    return
  }
  const data = await unpack(document.getElementById('rows').textContent.trim())
  completeTables(data)
  const counting = countingOf(data)
  const answers = { ...answersOfApplications(data, counting), ...otherAnswers(data, counting) }
  const [headlines, gap] = [headlinesOf(data, counting), gapOf(data, counting)]
  const behind = rowsBehind(data)
  const chosen = form.elements
  const byName = periods(data)
  const [first, last] = [byName['Other months'][0], data.now]
  const months = Array.from({ length: last - first + 1 }, (_, place) => [last - place, monthName(last - place)])
  offer(chosen.period, Object.keys(byName).map(name => [name, name]))
  offer(chosen.from, months)
  offer(chosen.to, months)
  offer(chosen.department, data.departments.map((name, code) => [code, name]), 'All departments')
  const types = [...new Set(data.sources.map(([type]) => type))]
  offer(chosen.source, [
    ...types.map(type => [`type ${types.indexOf(type)}`, type ?? 'not known']),
    ...data.sources.flatMap(([type, site], code) => site === null ? [] : [[`site ${code}`, `${site} (${type ?? 'not known'})`]]),
  ], 'All sources')

  /** Offer the jobs of the chosen department. */
  function offerJobs() {
    const department = chosen.department.value
    const jobs = data.jobs.title.flatMap((title, code) =>
      data.jobs.id[code] === null || (department && data.jobs.department[code] !== Number(department))
        ? []
        : [[code, `${title} (${data.jobs.id[code]})`]])
    offer(chosen.job, inOrder(jobs, ([, name]) => name), 'All jobs')
  }

  /** Return the filter that is chosen. */
  function filter() {
    const code = name => chosen[name].value === '' ? undefined : Number(chosen[name].value)
    const [kind, place] = chosen.source.value.split(' ')
    const [since, until] = byName[chosen.period.value]
    const isOther = chosen.period.value === 'Other months'
    return {
      since: isOther ? Math.min(code('from'), code('to')) : since,
      until: isOther ? Math.max(code('from'), code('to')) + 1 : until,
      department: code('department'),
      job: code('job'),
      type: kind === 'type' ? types[place] : undefined,
      site: kind === 'site' ? Number(place) : undefined,
    }
  }

  function showHeadlines(now) {
    const found = headlines(passing(data, now))
    const length = now.until - now.since
    const earlier = headlines(passing(data, { ...now, since: now.since - length, until: now.since }))
    for (const tile of document.querySelectorAll('.headlines li[data-title]')) {
      const { title } = tile.dataset
      const isNow = title === 'Stuck'
      const one = found[title] ?? { value: null, note: isNow ? 'nothing to count yet' : 'nothing to count in this period' }
      const before = !isNow && isComparable(data, title, now) ? earlier[title] : null
      const difference = one.value && before?.value
        ? `; ${before.value} in the ${{ 1: 'month', 12: 'year' }[length] ?? `${length} months`} before (${signed(one.figure - before.figure)}${one.unit ?? ''})`
        : ''
      const value = one.value !== null && one.rows?.length ? behind({ value: one.value, rows: one.rows }, title) : one.value ?? NONE
      tile.querySelector('.value').replaceChildren(value)
      tile.querySelector('.note').textContent = one.note + difference
    }
    return found
  }

  function show() {
    const now = filter()
    const pick = passing(data, now)
    const found = showHeadlines(now)
    for (const section of document.querySelectorAll('section[data-answer]')) {
      const unknown = 'stages' in section.dataset && gap(pick)
      const nodes = unknown
        ? [element('p', { className: 'nothing' }, unknown)]
        : answerNodes(section, answers[section.dataset.answer](pick, now), behind)
      section.querySelector('.answer').replaceChildren(...nodes)
    }
    for (const other of [chosen.from, chosen.to]) other.closest('label').hidden = chosen.period.value !== 'Other months'
    const names = ['department', 'source', 'job'].map(name => chosen[name].selectedOptions[0].textContent)
    const scope = [periodInWords(now), ...names].join(' · ')
    said.textContent = `${scope}: ${counted(found.Applications.figure, 'application')}.`
  }

  offerJobs()
  form.hidden = false
  for (const each of document.querySelectorAll('.of, .hint')) each.hidden = false
  const about = document.querySelector('.about')
  const some = `${fixed(data.tables.applications.rows)} of ${fixed(data.total)} applications`
  about.textContent = about.dataset.filtered + (data.since
    ? ` To stay small, the page carries only what happened since ${monthName(data.since)}, and what is active: ${some}.`
    : '')
  form.addEventListener('change', event => {
    if (event.target === chosen.department) offerJobs()
    show()
  })
  form.addEventListener('reset', () => setTimeout(() => { offerJobs(); show() }))
  show()
}

start().catch(error => {
  said.textContent = `The filters do not work in this browser (${error.message}).`
})
