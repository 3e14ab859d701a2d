/** Requests in flight at a time; more does not make the API server faster on two cores. */
export const requestLimit = 8;
