"""A picture of the user's own becomes a subject: silhouette, parts and their roles, solid, rim and back, surfels."""
