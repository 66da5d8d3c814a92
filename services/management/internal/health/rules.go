package health

// flapping is how many reconnects within an hour are too many.
const flapping = 3

var rules = []rule{}
