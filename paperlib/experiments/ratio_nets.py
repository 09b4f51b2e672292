RACES: dict = {}
