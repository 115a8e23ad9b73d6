// The answers about applications: how far they get, how long it takes, where they come from, and why not.
//
// Each answer counts as the mart and the SQL in `report.toml` that it stands for, and a test compares
// the two. It has a sentence (null if there is nothing to say), the rows of a chart, and those of a
// table by the names of its columns.

const GROUPS = [
  '', 'Inbox', 'Other stages', 'Screening', 'Interview', 'Assessment', 'Offer', 'Hired',
]
const TYPES = {
  'job board': 'job boards',
  'career site': 'the career site',
  direct: 'direct applications',
  referral: 'referrals',
  sourced: 'sourcing by recruiters',
  internal: 'internal applications',
}

/** Return the answers by the name of their mart, each a function of what picks rows. */
function answersOfApplications(data, counting) {
  const { applications } = data.tables
  const { is, cellOf, cellIf, count, isKnown, valueOf, byDepartment } = counting

  /** Return how many came to each group of stages, and how many went on, by position. */
  function steps(rows) {
    const found = new Map()
    for (const row of rows) {
      const reached = applications.reached[row]
      for (const [position, first, last] of data.ladders[data.jobs.ladder[applications.job[row]]]) {
        if (!found.has(position)) {
          found.set(position, { all: 0, unknown: 0, unsure: 0, passed: 0, decided: 0, entered: [], undone: [] })
        }
        const step = found.get(position)
        step.all++
        step.unknown += !reached
        step.unsure += !reached && position !== 1
        if (position === 1 || (reached && reached >= first)) step.entered.push(row)
        if (position === 7 && applications.undone[row]) step.undone.push(row)
        if (!reached || reached < first) continue
        step.passed += reached > last
        step.decided += reached > last || !is(ACTIVE)(row)
      }
    }
    for (const step of found.values()) {
      step.entered = cellIf(ifKnown(true, step.unsure, step.all), step.entered)
      step.undone = cellIf(ifKnown(true, step.unknown, step.all), step.undone)
      step.decided = ifKnown(step.decided, step.unknown, step.all)
    }
    return found
  }

  function funnel(pick) {
    const rows = pick(applications, 'applied')
    const company = steps(rows)
    const inOrderOfStages = inOrder([...company], ([position]) => position)
    const inbox = company.get(1)
    const unknown = Math.max(0, ...[...company.values()].map(step => step.unknown))
    const all = position => fixed(company.get(position)?.all ?? 0)
    return {
      sentence: inbox?.decided > 0
        ? `Of ${counted(inbox.decided, 'application')} decided in the inbox, ${percent(inbox.passed / inbox.decided)} ` +
          `got past it. Hired: ${counted(company.get(7).entered.value, 'application')}.`
        : null,
      chart: inOrderOfStages.every(([, step]) => step.entered)
        ? inOrderOfStages.map(([position, step]) => ({ label: GROUPS[position], value: step.entered.value }))
        : [],
      table: byDepartment(applications, rows, 'Applied', its => {
        const found = steps(its)
        return {
          Applied: found.get(1)?.entered ?? null,
          Interview: found.get(4)?.entered ?? null,
          Offer: found.get(6)?.entered ?? null,
          Hired: found.get(7)?.entered ?? null,
          Undone: found.get(7)?.undone ?? null,
        }
      }),
      note: `Interviews are counted in the ${all(4)} applications for jobs with such a stage, offers in ${all(6)}.` +
        (unknown ? ` How far they got is not known of ${fixed(unknown)} applications.` : ''),
    }
  }

  function time_to_hire(pick) {
    const rows = pick(applications, 'hired').filter(is(HIRED))
    const toHire = its => days(its.map(row => applications.hire[row]))
    const toFill = its => days(its.map(row => applications.fill[row]))
    const found = toHire(rows)
    const months = grouped(rows, row => applications.hired[row])
    return {
      sentence: !rows.length
        ? null
        : !found.length
          ? `Hired: ${counted(rows.length, 'application')}. How long it took is not known.`
          : found.length === 1
            ? `The one hire took ${fixed(found[0])} days from the application.`
            : `Half of ${fixed(found.length)} hires took ${fixed(median(found))} days or less from the application, ` +
              `nine of ten took ${fixed(quantile(found, 0.9))} at most.`,
      chart: lastMonths(
        inOrder([...months], ([month]) => month)
          .filter(([month]) => month > data.first && month < data.now)
          .map(([month, its]) => ({ month, value: median(toHire(its)), n: toHire(its).length })),
      ),
      table: byDepartment(applications, rows, 'Hires', its => ({
        Hires: cellOf(its),
        'Median days to hire': median(toHire(its)),
        'Nine of ten within': quantile(toHire(its), 0.9),
        'Median days to fill': median(toFill(its)),
      })),
    }
  }

  function received(pick, filter) {
    const rows = pick(applications, 'applied')
    const months = grouped(rows, row => applications.applied[row])
    const from = Math.max(data.first + 1, filter.since ?? 0, data.since)
    const until = Math.min(data.now, filter.until ?? data.now)
    const whole = Array.from({ length: Math.max(0, until - from) }, (_, place) => from + place)
    return {
      sentence: rows.length
        ? `Received: ${counted(rows.length, 'application')}. Active now: ${fixed(rows.filter(is(ACTIVE)).length)}.`
        : null,
      chart: rows.length
        ? lastMonths(whole.map(month => ({ month, value: months.get(month)?.length ?? 0 })))
        : [],
      table: inOrder([...months], ([month]) => month ? -month : null).map(([month, its]) => ({
        Month: month ? monthName(month) : null,
        Applications: cellOf(its),
        Active: count(its, is(ACTIVE)),
        Rejected: count(its, is(REJECTED)),
        Hired: count(its, is(HIRED)),
      })).slice(0, 12),
    }
  }

  function source_of_hire(pick) {
    const rows = pick(applications, 'applied')
    const hires = its => cellIf(isKnown(its), its.filter(is(HIRED)))
    const types = [...grouped(rows, row => data.sources[applications.source[row]][0])].map(
      ([type, its]) => ({ type, all: its.length, hires: hires(its) }),
    )
    const most = Math.max(0, ...types.map(({ hires }) => valueOf(hires)))
    const total = types.reduce((sum, { hires }) => sum + valueOf(hires), 0)
    const largest = types
      .filter(({ hires }) => most && valueOf(hires) === most)
      .map(({ type }) => TYPES[type] ?? 'a source that is not known')
    const allKnown = types.every(({ hires }) => hires)
    const sites = [...grouped(rows, row => applications.source[row])].map(([source, its]) => {
      const [type, site] = data.sources[source]
      const concluded = cellIf(isKnown(its), its.filter(row => [HIRED, REJECTED, GONE].includes(applications.outcome[row])))
      const seen = its.filter(row => applications.interviewed[row] && !is(ACTIVE)(row) && !is(UNKNOWN)(row))
      const row = {
        Type: type ?? 'not known',
        Site: site === null ? NONE : left(site, 60),
        Applications: cellOf(its),
        Concluded: concluded,
        Interviewed: percent(ratio(seen.filter(row => applications.interviewed[row] === 2).length, seen.length)),
        Hired: hires(its),
        'Hire rate': percent(ratio(valueOf(hires(its)), valueOf(concluded)), 1),
      }
      return { type, site, row }
    })
    return {
      sentence: !allKnown
        ? 'The largest source of hires is not known: too many stages of the applications from at least one source are not known.'
        : !largest.length
          ? null
          : (largest.length === 1 ? 'The largest source of hires is ' : 'The largest sources of hires are ') +
            `${largest.sort().join(' and ')}: ${fixed(most)} of ${fixed(total)}${largest.length > 1 ? ' each' : ''}.`,
      chart: allKnown
        ? inOrder(types, ({ hires }) => -hires.value, ({ all }) => -all, ({ type }) => type ?? 'not known')
            .map(({ type, hires }) => ({ label: type ?? 'not known', value: hires.value }))
        : [],
      table: inOrder(
        sites,
        ({ row }) => row.Hired === null ? -Infinity : -row.Hired.value,
        ({ row }) => -row.Applications.value, ({ type }) => type, ({ site }) => site,
      ).map(({ row }) => row).slice(0, 12),
      note: sites.length > 12 ? `Not shown: ${counted(sites.length - 12, 'more site')}.` : '',
    }
  }

  function rejections(pick) {
    const rows = pick(applications, 'rejected').filter(is(REJECTED))
    const reasons = [...grouped(rows, row => applications.reason[row])]
    const names = inOrder(
      [...grouped(rows, row => data.reasons[applications.reason[row]][0])],
      ([, its]) => -its.length, ([name]) => name,
    )
    const first = names.filter(([, its]) => its.length === names[0][1].length)
    return {
      sentence: rows.length
        ? `Rejected: ${counted(rows.length, 'application')}. ` + (first.length === 1
          ? `The most common reason: ${left(first[0][0], 60)}.`
          : `${fixed(first.length)} reasons are the most common, with ${fixed(first[0][1].length)} each.`)
        : null,
      chart: names.slice(0, BARS).map(([label, its]) => ({ label, value: its.length })),
      table: inOrder(reasons, ([, its]) => -its.length, ([reason]) => data.reasons[reason][0])
        .map(([reason, its]) => ({
          Reason: data.reasons[reason][0],
          'Decided by': data.reasons[reason][1] ?? 'not known',
          Rejections: cellOf(its),
          Share: percent(its.length / rows.length),
        })).slice(0, TOP),
    }
  }

  return { funnel, time_to_hire, applications: received, source_of_hire, rejections }
}
