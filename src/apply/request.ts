/** How many requests are in flight at a time; more do not make the API server faster on two cores. */
export const requestLimit = 8;
