package audit

func child(string) int { return 2 }
