/** How many clients ask at the same time. */
export const levels = [1, 16, 64];
/** Of these the one at which cost is told. */
export const costLevel = 16;
