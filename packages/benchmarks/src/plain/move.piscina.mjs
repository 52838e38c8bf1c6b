// The same for piscina.
import { move } from "piscina"

export default (input) => move(input)
