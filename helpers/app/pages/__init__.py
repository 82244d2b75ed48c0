"""The pages of the app, a file each; Streamlit runs them by way of `navigation`."""
