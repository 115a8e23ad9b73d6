// The rows of the page, from the text that `packing.py` has made of them.

/** Return the header of the rows, and their tables: an array of numbers for each column. */
async function unpack(text) {
  const packed = Uint8Array.from(atob(text), letter => letter.charCodeAt(0))
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate'))
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer())
  const end = bytes.indexOf(10)
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)))
  let at = end + 1
  for (const [name, { rows, columns }] of Object.entries(header.tables)) {
    const table = { rows }
    for (const [column, width] of Object.entries(columns)) {
      table[column] = numbers(bytes.subarray(at, at += rows * width), rows)
    }
    header.tables[name] = table
  }
  return header
}

/** Return numbers whose lowest bytes come first, then all the next ones. */
function numbers(bytes, rows) {
  const found = new Float64Array(rows)
  for (let at = 0, size = 1; at < bytes.length; at += rows, size *= 256) {
    for (let row = 0; row < rows; row++) found[row] += bytes[at + row] * size
  }
  return found
}

/** Return the sums of steps, of which odd ones go down. */
function summed(steps) {
  let sum = 0
  return steps.map(step => sum += step % 2 ? -(step + 1) / 2 : step / 2)
}
