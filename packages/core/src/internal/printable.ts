/**
 * A text of other code for a line of a terminal or a log: control characters, line separators and marks that reverse the
 * direction of text could hide or forge what is beside it.
 */
export const printable = (text: string): string => text.replaceAll(/[\p{Cc}\p{Z}\p{Bidi_C}]/gu, " ")
