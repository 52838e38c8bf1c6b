// Moves its input back to the caller.
export default (input, { transfer }) => transfer(input, [input.buffer])
