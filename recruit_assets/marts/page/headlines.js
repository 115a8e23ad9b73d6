// The numbers at the top of the page, and why figures cannot be told.

/** Return the numbers by title, as a function of what picks rows. */
function headlinesOf(data, { is }) {
  const { applications, offers, scores, stuck } = data.tables

  /** Return each number: its value, note, figure to compare, and rows behind. */
  return pick => {
    const made = pick(applications, 'applied')
    const hired = pick(applications, 'hired').filter(is(HIRED))
    const took = days(hired.map(row => applications.hire[row]))
    const last = pick(offers, 'month').filter(row => offers.last[row])
    const isAnswer = row => offers.answer[row] <= DECLINED
    const accepted = last.filter(row => offers.answer[row] === ACCEPTED)
    const answers = last.filter(isAnswer)
    const given = pick(scores, 'month').filter(row => scores.score[row])
    const score = promoterScore(given.map(row => (scores.score[row] - 1) / 1000))
    const open = pick(applications).filter(row => is(ACTIVE)(row) && data.jobs.open[applications.job[row]])
    const waiting = pick(stuck).filter(row => data.jobs.open[stuck.job[row]])
    const acceptance = ratio(100 * accepted.length, answers.length)
    return {
      Applications: { figure: made.length, value: fixed(made.length), note: 'received', rows: made },
      Hires: { figure: hired.length, value: fixed(hired.length), note: 'made, and not undone', rows: hired },
      'Time to hire': took.length
        ? { figure: median(took), value: `${fixed(median(took))} days`, unit: ' days',
            note: `median of the hires (${fixed(took.length)})`, rows: hired }
        : null,
      'Offers accepted': answers.length
        ? { figure: acceptance, value: `${fixed(acceptance)}%`, unit: ' points',
            note: `${fixed(accepted.length)} of ${fixed(answers.length)} last offers answered`,
            rows: answers.map(row => offers.application[row]) }
        : null,
      'Candidate NPS': given.length
        ? { figure: score, value: score === null ? null : signed(score),
            note: `${counted(given.length, 'score')}${score === null ? '; five are needed' : ''}`,
            rows: given.map(row => scores.application[row]) }
        : null,
      Stuck: open.length
        ? { value: fixed(waiting.length), note: `currently, of ${fixed(open.length)} active ones for open jobs`,
            rows: waiting.map(row => stuck.application[row]) }
        : null,
    }
  }
}

/**
 * Return why figures that need the stages cannot be told, as `gaps.py` does; as a function.
 *
 * A cohort is of the applications made in the period. Others may have been hired, or be stuck, in it
 * whenever they were made, so figures that are not of a cohort need the stages of them all.
 */
function gapOf(data, { is, isKnown }) {
  return (pick, isCohort) => {
    const rows = pick(data.tables.applications, isCohort ? 'applied' : undefined)
    const unknown = rows.filter(is(UNKNOWN)).length
    return isKnown(rows)
      ? ''
      : `Not known: the stage of ${fixed(unknown)} of ${fixed(rows.length)} applications is not known.`
  }
}
