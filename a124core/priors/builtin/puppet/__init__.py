"""A picture or 3D model of the user's own becomes a subject: silhouette, parts, roles, solid, rim, back, surfels."""
