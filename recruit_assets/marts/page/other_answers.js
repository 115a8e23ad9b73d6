// The answers about offers, scores, and applications that are stuck; made as those about applications.

/** Return the answers by the name of their mart, each a function of what picks rows. */
function otherAnswers(data, counting) {
  const { applications, offers, scores, stuck } = data.tables
  const { departmentOf, byDepartment } = counting

  function offersAnswered(pick) {
    const sent = pick(offers, 'month')
    const said = (rows, ...answers) => rows.filter(row => answers.includes(offers.answer[row]))
    const behind = rows => ({ value: rows.length, rows: rows.map(row => offers.application[row]) })
    const last = sent.filter(row => offers.last[row])
    const [accepted, declined] = [said(last, ACCEPTED).length, said(last, DECLINED).length]
    const byApplication = ratio(accepted, accepted + declined)
    const byOffer = ratio(said(sent, ACCEPTED).length, said(sent, ACCEPTED, DECLINED).length)
    return {
      sentence: sent.length
        ? `Of ${counted(last.length, 'application')} with an offer, ${fixed(accepted)} accepted the last one, ` +
          `${fixed(declined)} declined it, and ${fixed(last.length - accepted - declined)} gave no answer.` +
          (byApplication === null || byOffer === null
            ? ''
            : ` That is ${percent(byApplication)} of those answered (${percent(byOffer)} by offer).`)
        : null,
      chart: sent.length
        ? [
            { label: 'Accepted', value: accepted },
            { label: 'Declined', value: declined },
            { label: 'No answer', value: last.length - accepted - declined },
          ]
        : [],
      table: byDepartment(offers, sent, 'Sent', its => ({
        Sent: behind(its),
        Accepted: behind(said(its, ACCEPTED)),
        Declined: behind(said(its, DECLINED)),
        Withdrawn: behind(said(its, WITHDRAWN)),
        Expired: behind(said(its, EXPIRED)),
        Open: behind(said(its, OPEN)),
        'Median days': median(days(said(its, ACCEPTED, DECLINED).map(row => offers.days[row]))),
      })),
    }
  }

  function candidate_nps(pick) {
    const asked = pick(scores, 'month')
    const given = rows => rows.filter(row => scores.score[row]).map(row => (scores.score[row] - 1) / 1000)
    const all = given(asked)
    const mean = found => found.reduce((sum, score) => sum + score, 0) / found.length
    const score = promoterScore(all)
    const months = grouped(asked, row => scores.month[row])
    return {
      sentence: !all.length
        ? null
        : score === null
          ? `Answers so far: ${fixed(all.length)} to ${counted(asked.length, 'question')}. Five are needed for a score.`
          : `The net promoter score is ${signed(score)}, from ${fixed(all.length)} answers to ${fixed(asked.length)} questions; ` +
            `the mean score is ${fixed(mean(all), 1)} of 10.`,
      chart: lastMonths(
        inOrder([...months], ([month]) => month)
          .filter(([month]) => month >= data.scored[0] && month <= data.scored[1])
          .map(([month, its]) => ({ month, value: promoterScore(given(its)), n: given(its).length }))
          .filter(({ value }) => value !== null),
      ),
      table: byDepartment(scores, asked, 'Scores', its => ({
        Scores: { value: given(its).length, rows: its.filter(row => scores.score[row]).map(row => scores.application[row]) },
        NPS: promoterScore(given(its)) === null ? null : signed(promoterScore(given(its))),
        'Mean score': given(its).length ? mean(given(its)) : null,
        Answered: percent(given(its).length / its.length),
      })).filter(row => row.Scores.value),
    }
  }

  function stuck_applications(pick) {
    const waiting = pick(stuck)
    const isOpen = row => data.jobs.open[stuck.job[row]]
    const rows = waiting.filter(isOpen)
    const day = row => days([stuck.days[row]])[0]
    const thresholds = [...new Set(rows.map(row => stuck.after[row]))]
    const oldest = rows.reduce((most, row) => Math.max(most, day(row)), 0)
    const closed = waiting.length - rows.length
    const departments = grouped(rows, row => departmentOf(stuck, row))
    return {
      sentence: rows.length
        ? `${counted(rows.length, 'active application')} for ${rows.length === 1 ? 'an open job has' : 'open jobs have'} ` +
          `not moved for ${thresholds.length === 1 ? counted(thresholds[0], 'day') : 'too long'}; the oldest has waited for ${fixed(oldest)} days.` +
          (closed ? ` Jobs that are not open have ${fixed(closed)} more.` : '')
        : null,
      chart: inOrder([...departments], ([, its]) => -its.length, ([name]) => name)
        .slice(0, BARS).map(([label, its]) => ({ label, value: its.length })),
      table: inOrder(rows, row => -day(row), row => applications.application[stuck.application[row]])
        .slice(0, TOP).map(row => ({
          Application: { value: applications.application[stuck.application[row]], of: stuck.application[row] },
          Job: data.jobs.title[stuck.job[row]],
          Stage: stuck.stage[row] ? data.stages[stuck.stage[row] - 1][0] : 'not known',
          Days: day(row),
          'Stuck after': stuck.after[row],
        })),
    }
  }

  return { offers: offersAnswered, candidate_nps, stuck_applications }
}
