/** Every entity of the program. */
export const entities: (new () => object)[] = [];
