"""Lakes as users have them: their catalogue in a real PostgreSQL, their writers in processes."""
