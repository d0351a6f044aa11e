"""Many films: which they are, what is done already, who does the rest, and what came of each."""
