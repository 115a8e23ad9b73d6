// What happens in the page: it is filled when it is open, and again when another filter is chosen.
//
// Until then, and if anything fails, it shows what was written into it, or what was chosen before.

/** Return whether a number at the top may be compared with the months before a period. */
function isComparable(data, title, { since, until }) {
  const from = data.comparable[title]
  return since !== undefined && until <= data.now && from !== null &&
    since - (until - since) >= Math.max(from, data.since)
}

/** Return what a number at the top is, and its note. */
function headlineNodes(data, title, one, before, { since, until }, behind) {
  if (!one) return [NONE, title === 'Stuck' ? 'nothing to count yet' : 'nothing to count in this period']
  const length = { 1: 'month', 12: 'year' }[until - since] ?? `${until - since} months`
  const isKnown = one.value && before?.value && one.figure !== undefined // not of what is current
  const step = isKnown ? signed(one.figure - before.figure) + (one.unit ?? '') : ''
  return [
    one.value !== null && one.rows.length ? behind(one, title) : one.value ?? NONE,
    one.note + (step ? `; ${before.value} in the ${length} before (${step})` : ''),
  ]
}

/** Return everything that a filter changes, as pairs of a place in the page and what is put there. */
function contentOf(data, { answers, headlines, gap, behind }, filter) {
  const pick = passing(data, filter)
  const found = headlines(pick)
  const months = filter.until - filter.since
  const earlier = headlines(passing(data, { ...filter, since: filter.since - months, until: filter.since }))
  const content = []
  for (const tile of document.querySelectorAll('[data-title]')) {
    const { title } = tile.dataset
    const before = isComparable(data, title, filter) ? earlier[title] : null
    const unknown = 'stages' in tile.dataset && gap(pick)
    const [value, note] = unknown
      ? [NONE, unknown]
      : headlineNodes(data, title, found[title], before, filter, behind)
    content.push([tile.querySelector('.value'), [value]], [tile.querySelector('.note'), [note]])
  }
  for (const section of document.querySelectorAll('[data-answer]')) {
    const unknown = 'stages' in section.dataset && gap(pick, section.dataset.stages === 'cohort')
    const nodes = unknown
      ? [element('p', { className: 'nothing' }, unknown)]
      : answerNodes(section, answers[section.dataset.answer](pick, filter), behind)
    content.push([section.querySelector('.answer'), nodes])
  }
  return { content, applications: found.Applications.figure }
}

/** Return what is to know of all figures, in place of what is written there. */
function aboutAll(data, written) {
  if (!data.since) return written
  const some = `${fixed(data.tables.applications.rows)} of ${fixed(data.total)} applications`
  return `${written} To stay small, the page carries only what happened since ${monthName(data.since)}, and what is active: ${some}.`
}

async function start(form, said) {
  if (!globalThis.DecompressionStream) throw new Error('it is too old')
  const data = await unpack(document.getElementById('rows').textContent.trim())
  completeTables(data)
  const counting = countingOf(data)
  const parts = {
    answers: { ...answersOfApplications(data, counting), ...otherAnswers(data, counting) },
    headlines: headlinesOf(data, counting),
    gap: gapOf(data, counting),
    behind: rowsBehind(data),
  }
  const filters = filtersOf(data, form)

  function show() {
    const { content, applications } = contentOf(data, parts, filters.read())
    for (const [place, nodes] of content) place.replaceChildren(...nodes)
    said.textContent = `${filters.say()}: ${counted(applications, 'application')}.`
  }

  show()
  form.hidden = false
  for (const each of document.querySelectorAll('.of, .hint')) each.hidden = false
  const about = document.querySelector('.about')
  about.textContent = aboutAll(data, about.dataset.filtered)
  form.addEventListener('change', ({ target }) => { filters.follow(target); show() })
  form.addEventListener('reset', () => setTimeout(() => { filters.follow(); show() }))
}

/** Start, and say so if that fails, or if a filter does later. */
function startOrSay(form, said) {
  addEventListener('error', ({ message }) => {
    form.hidden = true
    said.append(` The next filter failed: ${message}. Reload the page.`)
  })
  start(form, said).catch(({ message }) => {
    said.textContent = `This browser cannot filter the report: ${message}.`
  })
}

startOrSay(document.getElementById('filters'), document.getElementById('said'))
